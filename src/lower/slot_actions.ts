/**
 * What a slot does at each step of its body, with what follows from sums: each is completed right after the step that makes the microbatch's
 * part of it, and in a last slot the update's moves of it come behind.
 */
import { castTo, opNamed, type OpRegistry } from '../ir/op.js';
import { isExchange, type PlacedId, type PlacedStep } from '../partition/placed.js';
import type { ValueIndex } from '../program/program.js';
import type { ClassRequest } from './class_request.js';
import type { SlotTemplate } from './schedule_steps.js';
import { updateSection, type Listed } from './sections.js';
import type { Origin, ValueMap } from './value_map.js';

/** A step of the body is run, or the sums are completed that it has made a part of. */
export interface Action {
  readonly what: 'run' | 'complete';
  readonly origin: Origin;
  readonly listed: Listed;
}

export class SlotActions {
  private readonly registry: OpRegistry;
  private readonly map: ValueMap;
  /** What a step comes to know from other ranks. */
  private readonly exchanged: ReadonlySet<PlacedId>;
  /** What the update still has to do. */
  private tail: readonly Listed[];

  constructor({ registry, step, update, group }: ClassRequest, map: ValueMap) {
    this.registry = registry;
    this.map = map;
    this.exchanged = new Set(step.steps.filter(isExchange).flatMap(({ outputs }) => outputs));
    this.tail = update ? updateSection(update, group) : [];
  }

  /** For each step of a body what is done there. Slots are asked for in the order of the schedule, each once. */
  of(body: readonly Listed[], last: SlotTemplate['last']): readonly (readonly Action[])[] {
    const { joined, rest } = this.join(body, last);
    const run = (listed: Listed): Action => ({ what: 'run', origin: 'step', listed });
    const complete = ({ listed, after }: Joined): readonly Action[] => [
      ...(this.isCastSum(listed) ? [run(listed)] : []),
      { what: 'complete', origin: 'step', listed },
      ...after.map((move): Action => ({ what: 'run', origin: 'update', listed: move })),
    ];
    // What is reduced on the way to its sum is cast and added when that of the next segment has been asked for, or last: compute goes on
    // meanwhile.
    let reduced: readonly Joined[] = [];
    const actions = joined.map((one): Action[] => {
      const made = this.isCastSum(one.listed) ? [] : [run(one.listed)];
      const { segment } = one.listed.step.source;
      const isReduced = this.isReducedSum(one.listed);
      if (isReduced && reduced.every(({ listed }) => listed.step.source.segment === segment)) {
        reduced = [...reduced, one];
        return made;
      }
      // A sum that is completed here may lie in one bucket with those that wait.
      if (isReduced || one.after.length > 0) {
        made.push(...reduced.flatMap(complete));
        reduced = [];
      }
      if (isReduced) reduced = [one];
      else made.push(...complete(one));
      return made;
    });
    const left: readonly Action[] = [
      ...reduced.flatMap(complete),
      ...rest.map((listed): Action => ({ what: 'run', origin: 'update', listed })),
    ];
    return actions.length === 0 ? [left] : [...actions.slice(0, -1), [...actions[actions.length - 1], ...left]];
  }

  private isReducedSum(listed: Listed): boolean {
    const { step } = listed;
    return this.isCastSum(listed) || (isExchange(step) && this.map.sums.has(step.outputs[0]));
  }

  /** What is summed is cast from what it is reduced in. */
  private isCastSum({ step }: Listed): boolean {
    if (step.kind !== 'op' || !this.map.sums.has(step.outputs[0])) return false;
    return this.exchanged.has(step.inputs[0]) && castTo(this.registry, step) !== null;
  }

  /** A move, or a cast of addends for one. */
  private isReduction(step: PlacedStep): boolean {
    return step.kind === 'move' || (step.kind === 'op' && opNamed(this.registry, step.op).addends === true);
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

/** The last of these positions; undefined where one is not there. */
function latest(positions: readonly (number | undefined)[]): number | undefined {
  return positions.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.max(a, b)));
}
