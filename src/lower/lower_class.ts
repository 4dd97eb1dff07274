/**
 * Placed graphs → the program of one class of ranks.
 *
 * The step graph (forward and backward of one scheduled microbatch) becomes templates, one for each chunk and direction in the variants
 * that `schedule_steps.ts` tells; the update graph joins the last slots, so that gradients are reduced while the rest is still being
 * computed.
 */
import { castTo, opNamed } from '../ir/op.js';
import { assignMemory, keptValues, type UnplacedStep } from '../memory/assign_memory.js';
import type { PlacedId, PlacedStep } from '../partition/placed.js';
import { messagesOfAll, type MessagesOfAll } from '../program/edges.js';
import type { RankClass, Template, ValueIndex } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';
import type { ClassRequest } from './class_request.js';
import { fold } from './fold.js';
import { Pending, TemplateWriter } from './lane_events.js';
import { StepLowering } from './lower_step.js';
import { isLocal } from '../reshard/moves.js';
import { scheduleSteps, type ReceiveTemplate, type SlotTemplate, type TemplateKind } from './schedule_steps.js';
import { slotSection, updateSection, type Listed } from './sections.js';
import { piecesOf } from './slot_order.js';
import { ValueMap } from './value_map.js';

export interface LoweredClass extends RankClass {
  /** The largest sum of bytes live under happens-before: what {@link RankClass.arenaBytes} is measured against. */
  readonly liveBytes: number;
}

/** A class before addresses: its text without loops. */
export interface WrittenClass extends Omit<RankClass, 'schedule' | 'arenaBytes'> {
  readonly schedule: readonly UnplacedStep[];
}

export function writeClass(request: ClassRequest): WrittenClass {
  const steps = scheduleSteps(request);
  const lowering = new ClassLowering(request);
  const templates = [...new Set(steps.map(({ template }) => template))].map((kind) => lowering.template(kind));
  const { map } = lowering;
  return {
    name: request.name,
    group: request.group,
    members: request.members,
    values: map.values.table,
    templates,
    schedule: steps.map(({ template, microbatch }) => ({ template: template.name, microbatch })),
    ...map.contracts(),
    inputs: map.hostWritten(),
    results: map.results,
  };
}

export function lowerClass(request: ClassRequest): LoweredClass {
  const written = writeClass(request);
  const { values, templates, schedule } = written;
  return {
    ...written,
    templates: templates.map((template) => ({ ...template, body: fold(instructionsOf(template)) })),
    ...assignMemory(values, templates, schedule, keptValues(written), request.memory),
  };
}

class ClassLowering {
  readonly map: ValueMap;
  private readonly request: ClassRequest;
  private readonly messages: MessagesOfAll;
  private readonly pending = new Pending();
  /** What a step comes to know from other ranks. */
  private readonly exchanged: ReadonlySet<PlacedId>;
  /** What the update still has to do. */
  private tail: readonly Listed[];

  constructor(request: ClassRequest) {
    this.request = request;
    this.map = new ValueMap(request);
    this.exchanged = new Set(request.step.steps.filter(isExchange).flatMap(({ outputs }) => outputs));
    this.messages = messagesOfAll(request.groups, request.members);
    this.tail = request.update ? updateSection(request.update, request.group) : [];
  }

  /** The text of a template; they are asked for in the order in which the schedule first comes to them. */
  template(kind: TemplateKind): Template {
    return kind.kind === 'slot' ? this.slot(kind) : this.receive(kind);
  }

  private slot({ name, slot, first, last, piece }: SlotTemplate): Template {
    const { step, stepSlots, group } = this.request;
    const writer = this.writer();
    const lowering = new StepLowering(this.request, this.map, this.messages, writer, !first);
    const section = slotSection(step, stepSlots, group, slot, first);
    const body = piece === null ? section : piecesOf(section)[piece];
    const { joined, rest } = this.join(body, last);
    const complete = ({ listed, after }: Joined) => {
      if (this.isCastSum(listed)) lowering.lower('step', listed);
      lowering.completeSums(listed);
      for (const move of after) lowering.lower('update', move);
    };
    // What is reduced on the way to its sum is cast and added when that of the next segment has been asked for, or last: compute goes on
    // meanwhile.
    let reduced: readonly Joined[] = [];
    for (const one of joined) {
      if (!this.isCastSum(one.listed)) lowering.lower('step', one.listed);
      const { segment } = one.listed.step.source;
      const isReduced = this.isReducedSum(one.listed);
      if (isReduced && reduced.every(({ listed }) => listed.step.source.segment === segment)) {
        reduced = [...reduced, one];
        continue;
      }
      // A sum that is completed here may lie in one bucket with those that wait.
      if (isReduced || one.after.length > 0) {
        reduced.forEach(complete);
        reduced = [];
      }
      if (isReduced) reduced = [one];
      else complete(one);
    }
    reduced.forEach(complete);
    for (const listed of rest) lowering.lower('update', listed);
    if (last === 'group') writer.drain();
    return { name, chunk: slot.chunk, body: writer.body };
  }

  private receive({ name, passage: { transfer, taken } }: ReceiveTemplate): Template {
    const writer = this.writer();
    const lowering = new StepLowering(this.request, this.map, this.messages, writer, false);
    lowering.lower('step', { step: transfer, part: 'receive' });
    return { name, chunk: taken.chunk, body: writer.body };
  }

  private writer(): TemplateWriter {
    return new TemplateWriter((value) => this.map.values.extentOf(value), this.pending);
  }

  private isReducedSum(listed: Listed): boolean {
    const { step } = listed;
    return this.isCastSum(listed) || (isExchange(step) && this.map.sums.has(step.outputs[0]));
  }

  /** What is summed is cast from what it is reduced in. */
  private isCastSum({ step }: Listed): boolean {
    if (step.kind !== 'op' || !this.map.sums.has(step.outputs[0])) return false;
    return this.exchanged.has(step.inputs[0]) && castTo(this.request.registry, step) !== null;
  }

  /** A move, or a cast of addends for one. */
  private isReduction(step: PlacedStep): boolean {
    return step.kind === 'move' || (step.kind === 'op' && opNamed(this.request.registry, step.op).addends === true);
  }

  /**
   * Takes from the update each move of a sum that a step of the body completes, for right after that step, and the moves that follow from
   * it; the last slot, all that is left.
   */
  private join(
    body: readonly Listed[],
    last: SlotTemplate['last'],
  ): { readonly joined: readonly Joined[]; readonly rest: readonly Listed[] } {
    const { map } = this;
    if (last === 'no') return { joined: body.map((listed) => ({ listed, after: [] })), rest: [] };
    const completes = new Map<ValueIndex, number>();
    body.forEach(({ step, part }, i) =>
      step.outputs.forEach((output) => {
        const sum = map.sums.get(output);
        if (sum !== undefined && part !== 'send' && part !== 'receive') completes.set(sum, i);
      }),
    );
    const moved = new Map<PlacedId, number>();
    const there = (id: PlacedId): number | undefined => {
      const sum = moved.has(id) ? undefined : map.sumOf(id);
      return sum === undefined ? moved.get(id) : latest(map.partsOf(sum).map((part) => completes.get(part)));
    };
    const after = new Map<number, Listed[]>();
    const rest: Listed[] = [];
    for (const listed of this.tail) {
      const { step } = listed;
      const at = this.isReduction(step) ? there(step.inputs[0]) : undefined;
      if (at === undefined) rest.push(listed);
      else {
        after.set(at, [...(after.get(at) ?? []), listed]);
        moved.set(step.outputs[0], at);
      }
    }
    this.tail = last === 'group' ? [] : rest;
    return {
      joined: body.map((listed, i) => ({ listed, after: after.get(i) ?? [] })),
      rest: last === 'group' ? rest : [],
    };
  }
}

/** A step of a slot, with the moves of the update that follow from the sums which it completes. */
interface Joined {
  readonly listed: Listed;
  readonly after: readonly Listed[];
}

const isExchange = (step: PlacedStep): boolean => step.kind === 'move' && !isLocal(step.move);

/** The last of these positions; undefined where one is not there. */
function latest(positions: readonly (number | undefined)[]): number | undefined {
  return positions.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.max(a, b)));
}
