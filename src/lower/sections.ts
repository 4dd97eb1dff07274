/**
 * Sections: the steps of a placed graph that one group runs in one direction, in launch order.
 *
 * Moves rise to their operands (`hoist.ts`). A value for another group is sent as soon as it is made; what a group receives is asked for
 * at the start of the section. Both ends list the transfers of a section by the place in the graph of the op that made the value, so
 * that all lanes agree with one order of the whole program and none can wait in a circle.
 */
import type { Phase } from '../ir/graph.js';
import {
  makersOf,
  type PlacedGraph,
  type PlacedId,
  type PlacedStep,
  type PlacedTransfer,
} from '../partition/placed.js';
import { hoistMoves } from './hoist.js';

/** One entry of a section. A transfer is sent by its source; its destination receives it, and takes it in where it is first read. */
export interface Listed {
  readonly step: PlacedStep;
  readonly part: 'run' | 'send' | 'receive' | 'take';
}

/** The steps of a group, without those to `skip`; `phase` null takes those of all directions. */
export function sectionOf(
  graph: PlacedGraph,
  group: number,
  phase: Phase | null,
  skip: ReadonlySet<PlacedStep> = new Set(),
): readonly Listed[] {
  const makers = makersOf(graph);
  const steps = graph.steps.filter((step) => !skip.has(step));
  const own = steps.filter(
    (step) => step.kind !== 'transfer' && step.group === group && (phase === null || step.source.phase === phase),
  );
  const transfers = steps
    .filter(
      (step): step is PlacedTransfer => step.kind === 'transfer' && (phase === null || phaseOf(step, makers) === phase),
    )
    .map((step) => ({ step, rank: rootIndex(graph, step, makers) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ step }) => step);
  const received = transfers.filter((step) => step.group === group);
  const sent = transfers.filter((step) => step.fromGroup === group);
  const listed: Listed[] = received.map((step) => ({ step, part: 'receive' }));
  const send = (step: PlacedStep) => listed.push({ step, part: 'send' });
  sent.filter((step) => !makers.has(step.inputs[0])).forEach(send);
  const untaken = new Set<PlacedTransfer>(received);
  const take = (step: PlacedTransfer) => {
    listed.push({ step, part: 'take' });
    untaken.delete(step);
  };
  for (const step of hoistMoves(own)) {
    for (const transfer of untaken) if (step.inputs.includes(transfer.outputs[0])) take(transfer);
    listed.push({ step, part: 'run' });
    sent.filter((transfer) => step.outputs.includes(transfer.inputs[0])).forEach(send);
  }
  // What another direction of the group reads is taken in here all the same: its buffer is not held for long.
  untaken.forEach(take);
  return listed;
}

/** A transfer belongs to the direction in which its value is made. */
const phaseOf = (transfer: PlacedTransfer, makers: ReadonlyMap<PlacedId, PlacedStep>): Phase =>
  makers.get(transfer.inputs[0])?.source.phase ?? 'forward';

/** The place of the op at the start of the chain of moves that ends in a transfer. */
function rootIndex(graph: PlacedGraph, transfer: PlacedTransfer, makers: ReadonlyMap<PlacedId, PlacedStep>): number {
  let step: PlacedStep | undefined = makers.get(transfer.inputs[0]);
  while (step && step.kind === 'move' && makers.has(step.inputs[0])) step = makers.get(step.inputs[0]);
  return step ? graph.steps.indexOf(step) : -1;
}
