/**
 * Placed graphs → the program of one class of ranks.
 *
 * The step graph (forward and backward of one scheduled microbatch) becomes templates, one for each chunk and direction in the variants
 * that `schedule_steps.ts` tells; the update graph joins the last slots, so that gradients are reduced while the rest is still being
 * computed.
 */
import { assignMemory, keptValues, type UnplacedStep } from '../memory/assign_memory.js';
import { messagesOfAll, type MessagesOfAll } from '../program/edges.js';
import type { RankClass, Template } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';
import type { ClassRequest } from './class_request.js';
import { fold } from './fold.js';
import { Pending, TemplateWriter } from './lane_events.js';
import { StepLowering } from './lower_step.js';
import {
  scheduleSteps,
  type LeadInTemplate,
  type ReceiveTemplate,
  type SlotTemplate,
  type TemplateKind,
} from './schedule_steps.js';
import { SlotActions, type Action } from './slot_actions.js';
import { kindText } from './slot_kinds.js';
import { within } from './slot_order.js';
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
  private readonly actions: SlotActions;
  /** What each slot does, by the name of its kind: pieces of it are asked for apart. */
  private readonly known = new Map<string, readonly (readonly Action[])[]>();

  constructor(request: ClassRequest) {
    this.request = request;
    this.map = new ValueMap(request);
    this.messages = messagesOfAll(request.groups, request.members);
    this.actions = new SlotActions(request, this.map);
  }

  /** The text of a template; they are asked for in the order in which the schedule first comes to them. */
  template(kind: TemplateKind): Template {
    switch (kind.kind) {
      case 'slot':
        return this.slot(kind);
      case 'lead-in':
        return this.leadIn(kind);
      case 'receive':
        return this.receive(kind);
    }
  }

  private slot(kind: SlotTemplate): Template {
    const { name, slot, first, last, piece } = kind;
    const writer = this.writer(false);
    const lowering = new StepLowering(this.request, this.map, this.messages, writer, !first);
    for (const { what, origin, listed } of within(this.actionsOf(kind), piece).flat()) {
      if (what === 'run') lowering.lower(origin, listed);
      else lowering.completeSums(listed);
    }
    if (last === 'group') writer.drain();
    return { name, chunk: slot.chunk, body: writer.body };
  }

  private leadIn({ name, slot, first, segment }: LeadInTemplate): Template {
    const writer = this.writer(true);
    const lowering = new StepLowering(this.request, this.map, this.messages, writer, false);
    for (const listed of this.request.section(slot, first).leadIns[segment]) lowering.lower('step', listed);
    return { name, chunk: slot.chunk, body: writer.body };
  }

  private receive({ name, passage: { transfer, taken } }: ReceiveTemplate): Template {
    const writer = this.writer(true);
    const lowering = new StepLowering(this.request, this.map, this.messages, writer, false);
    lowering.lower('step', { step: transfer, part: 'receive' });
    return { name, chunk: taken.chunk, body: writer.body };
  }

  private actionsOf({ slot, first, last }: SlotTemplate): readonly (readonly Action[])[] {
    const key = `${kindText(slot)} ${first} ${last}`;
    const known = this.known.get(key) ?? this.actions.of(this.request.section(slot, first).body, last);
    this.known.set(key, known);
    return known;
  }

  private writer(isAhead: boolean): TemplateWriter {
    return new TemplateWriter((value) => this.map.values.extentOf(value), this.pending, isAhead);
  }
}
