/** Prints the launch order of a step, slot by slot: what `--dump-ir=after:hoist` shows. */
import { printStep, type PlacedGraph } from '../partition/placed.js';
import type { SlotSection } from './lead_ins.js';
import { updateSection, type Listed } from './sections.js';
import { kindText, type SlotKind } from './slot_kinds.js';
import type { SlotStep } from './slot_order.js';

/** `orders`: what each group computes. Of the microbatches that a chunk and direction run, one is printed. */
export function printSections(
  step: PlacedGraph,
  update: PlacedGraph | null,
  sectionOf: (group: number, kind: SlotKind, first: boolean) => SlotSection,
  orders: readonly (readonly SlotStep[])[],
): string {
  return orders
    .flatMap((order, group) => [
      ...kindsOf(order).flatMap((kind) => {
        const { leadIns, body } = sectionOf(group, kind, true);
        const name = kindText(kind);
        return [
          ...leadIns.map((listed) => section(`ahead of ${name}`, group, step, listed)),
          section(name, group, step, body),
        ];
      }),
      ...(update ? [section('update', group, update, updateSection(update, group))] : []),
    ])
    .join('\n\n');
}

const kindsOf = (order: readonly SlotStep[]): readonly SlotKind[] => [
  ...new Map(order.map(({ slot }) => [kindText(slot), slot])).values(),
];

function section(name: string, group: number, graph: PlacedGraph, listed: readonly Listed[]): string {
  const lines = listed.map(({ step, part }) => `  ${part === 'run' ? '' : `${part} `}${printStep(graph, step)}`);
  return [`group ${group}, ${name}:`, ...lines].join('\n');
}
