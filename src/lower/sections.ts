/**
 * Sections: the steps of a placed graph that one slot of a group runs, and those of the update, in launch order. What a slot gathers first
 * is apart from the rest (`lead_ins.ts`).
 *
 * Moves rise to their operands (`hoist.ts`). A value for another group is sent as soon as it is made. What a slot receives has been asked
 * for before (`receives.ts`) and is taken in where it is first read; the update asks at its start. Both ends keep to one order of
 * transfers, so that all lanes agree with one order of the whole program and none can wait in a circle.
 */
import { makersOf, scopeOf, type PlacedGraph, type PlacedStep, type PlacedTransfer } from '../partition/placed.js';
import { hoistMoves } from './hoist.js';
import { splitSection, type SlotSection } from './lead_ins.js';
import { kindText, slotKey, transfersInOrder, type SlotKind, type StepSlots } from './slot_kinds.js';

/** One entry of a section. A transfer is sent by its source; its destination receives it, and takes it in where it is first read. */
export interface Listed {
  readonly step: PlacedStep;
  readonly part: 'run' | 'send' | 'receive' | 'take';
}

/** What the sections of a step graph follow from. */
export interface StepSections {
  readonly graph: PlacedGraph;
  readonly slots: StepSlots;
  /** What gathers the weights of a segment. */
  readonly gathers: ReadonlySet<PlacedStep>;
  /** How many segments ahead they are launched. */
  readonly prefetch: number;
}

/** What a slot of the group runs: the first of its kind makes what lasts for the step, and later ones read it. */
export function slotSection(
  { graph, slots: { steps, passages }, gathers, prefetch }: StepSections,
  group: number,
  kind: SlotKind,
  first: boolean,
): SlotSection {
  const name = kindText(kind);
  const runs = (step: PlacedStep) => first || scopeOf(graph, step) !== 'step';
  const own = (steps.get(slotKey(group, kind)) ?? []).filter(runs);
  const kept = passages.filter(({ transfer }) => runs(transfer));
  const received = kept.filter(({ transfer, taken }) => transfer.group === group && kindText(taken) === name);
  const sent = kept.filter(({ transfer, sent }) => transfer.fromGroup === group && kindText(sent) === name);
  const listed = listing(
    hoistMoves(graph, own, gathers),
    sent.map(({ transfer }) => transfer),
    received.map(({ transfer }) => transfer),
  );
  return splitSection(listed, gathers, prefetch);
}

/** What the group runs once a step, after its last slot. */
export function updateSection(update: PlacedGraph, group: number): readonly Listed[] {
  const transfers = transfersInOrder(update, makersOf(update));
  const received = transfers.filter((step) => step.group === group);
  return [
    ...received.map((step): Listed => ({ step, part: 'receive' })),
    ...listing(
      hoistMoves(
        update,
        update.steps.filter((step) => step.kind !== 'transfer' && step.group === group),
      ),
      transfers.filter((step) => step.fromGroup === group),
      received,
    ),
  ];
}

function listing(
  own: readonly PlacedStep[],
  sent: readonly PlacedTransfer[],
  received: readonly PlacedTransfer[],
): readonly Listed[] {
  const listed: Listed[] = [];
  const made = new Set(own.flatMap(({ outputs }) => outputs));
  const send = (step: PlacedStep) => listed.push({ step, part: 'send' });
  sent.filter((step) => !made.has(step.inputs[0])).forEach(send);
  const untaken = new Set<PlacedTransfer>(received);
  const take = (step: PlacedTransfer) => {
    listed.push({ step, part: 'take' });
    untaken.delete(step);
  };
  for (const step of own) {
    for (const transfer of untaken) if (step.inputs.includes(transfer.outputs[0])) take(transfer);
    listed.push({ step, part: 'run' });
    sent.filter((transfer) => step.outputs.includes(transfer.inputs[0])).forEach(send);
  }
  // What another slot of the chunk reads is taken in here all the same: its buffer is not held for long.
  untaken.forEach(take);
  return listed;
}
