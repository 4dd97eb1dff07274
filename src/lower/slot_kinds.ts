/**
 * Which slot of the schedule each step of the step graph runs in: its chunk's, in its own direction.
 *
 * A transfer has two ends. It is sent by the slot that makes its value, and taken in by the slot that first reads it; where that slot is of
 * another direction, already by the chunk's slot of the direction in which the value is made, if that surely comes later: its message is
 * then not held for long.
 */
import {
  makersOf,
  type PlacedGraph,
  type PlacedId,
  type PlacedStep,
  type PlacedTransfer,
} from '../partition/placed.js';
import type { Direction, Slot } from '../schedule/slot.js';

/** A slot of any microbatch. */
export type SlotKind = Pick<Slot, 'chunk' | 'direction'>;

export const kindText = ({ chunk, direction }: SlotKind): string => `${direction} ${chunk}`;

export const slotKey = (group: number, kind: SlotKind): string => `${group} ${kindText(kind)}`;

/** A transfer with the slots at its two ends. */
export interface Passage {
  readonly transfer: PlacedTransfer;
  readonly sent: SlotKind;
  readonly taken: SlotKind;
}

/** Where the steps of a step graph run. */
export interface StepSlots {
  /** What a slot of a group runs, by {@link slotKey}, in the order of the graph: every step that is no transfer. */
  readonly steps: ReadonlyMap<string, readonly PlacedStep[]>;
  /** In the order in which one slot sends them: by the place in the graph of the op that made the value. Both ends keep to it. */
  readonly passages: readonly Passage[];
}

/** What the slots of a step graph follow from. */
export interface ChunksOnGroups {
  /** The chunk of a segment of the model. */
  chunkOf(segment: string): number;
  /** Chunk → group. */
  readonly groupOf: readonly number[];
}

export function slotsOfSteps(graph: PlacedGraph, { chunkOf, groupOf }: ChunksOnGroups): StepSlots {
  const makers = makersOf(graph);
  const kinds = new Map<PlacedStep, SlotKind>();
  const asked = ({ source }: PlacedStep): SlotKind => {
    if (source.phase === 'update') throw new Error(`${source.path} is no part of a microbatch`);
    return { chunk: chunkOf(source.segment), direction: source.phase };
  };
  // Inputs lie there from the start.
  const kindOfValue = (id: PlacedId, group: number): SlotKind =>
    kinds.get(makers.get(id)!) ?? { chunk: groupOf.indexOf(group), direction: 'forward' };
  for (const step of graph.steps) {
    if (step.kind === 'transfer') continue;
    const kind = asked(step);
    // What another group asks for is done as soon as it can be.
    kinds.set(step, groupOf[kind.chunk] === step.group ? kind : kindOfValue(step.inputs[0], step.group));
  }
  const passages = transfersInOrder(graph, makers).map((transfer): Passage => {
    const sent = kindOfValue(transfer.inputs[0], transfer.fromGroup);
    const taken = asked(transfer);
    const early: SlotKind = { ...taken, direction: sent.direction };
    return { transfer, sent, taken: follows(early, sent) ? early : taken };
  });
  const steps = new Map<string, PlacedStep[]>();
  for (const [step, kind] of kinds) {
    const key = slotKey(step.group, kind);
    const known = steps.get(key);
    if (known) known.push(step);
    else steps.set(key, [step]);
  }
  return { steps, passages };
}

/** The transfers of a graph, by the place of the op at the start of the chain of moves that ends in each. */
export function transfersInOrder(
  graph: PlacedGraph,
  makers: ReadonlyMap<PlacedId, PlacedStep>,
): readonly PlacedTransfer[] {
  const places = new Map(graph.steps.map((step, i) => [step, i]));
  const placeOf = (transfer: PlacedTransfer): number => {
    let step: PlacedStep | undefined = makers.get(transfer.inputs[0]);
    while (step && step.kind === 'move' && makers.has(step.inputs[0])) step = makers.get(step.inputs[0]);
    return step ? places.get(step)! : -1;
  };
  return graph.steps
    .filter((step): step is PlacedTransfer => step.kind === 'transfer')
    .map((step) => ({ step, place: placeOf(step) }))
    .sort((a, b) => a.place - b.place)
    .map(({ step }) => step);
}

/** Whether a slot comes after another of its microbatch in every schedule. */
function follows(later: SlotKind, earlier: SlotKind): boolean {
  const order: Readonly<Record<Direction, boolean>> = {
    forward: later.chunk > earlier.chunk,
    backward: later.chunk < earlier.chunk,
    weight: false,
  };
  return later.direction === earlier.direction && order[later.direction];
}
