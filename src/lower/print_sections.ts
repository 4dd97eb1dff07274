/** Prints the launch order of a step, slot by slot: what `--dump-ir=after:hoist` shows. */
import { printStep, type PlacedGraph } from '../partition/placed.js';
import type { Slot } from '../schedule/slot.js';
import { slotSection, updateSection, type Listed } from './sections.js';
import { kindText, type SlotKind, type StepSlots } from './slot_kinds.js';

/** `orders`: for each group, its slots. Of the microbatches that a chunk and direction run, one is printed. */
export function printSections(
  step: PlacedGraph,
  update: PlacedGraph | null,
  stepSlots: StepSlots,
  orders: readonly (readonly Slot[])[],
): string {
  return orders
    .flatMap((slots, group) => [
      ...kindsOf(slots).map((kind) => section(kindText(kind), group, step, slotSection(step, stepSlots, group, kind))),
      ...(update ? [section('update', group, update, updateSection(update, group))] : []),
    ])
    .join('\n\n');
}

const kindsOf = (slots: readonly Slot[]): readonly SlotKind[] => [
  ...new Map(
    slots.map(({ chunk, direction }): [string, SlotKind] => [kindText({ chunk, direction }), { chunk, direction }]),
  ).values(),
];

function section(name: string, group: number, graph: PlacedGraph, listed: readonly Listed[]): string {
  const lines = listed.map(({ step, part }) => `  ${part === 'run' ? '' : `${part} `}${printStep(graph, step)}`);
  return [`group ${group}, ${name}:`, ...lines].join('\n');
}
