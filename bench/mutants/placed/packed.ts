/** Wrong steps around buckets: what is packed and unpacked in another order, from another value, or unmasked. */
import {
  makersOf,
  type PlacedGraph,
  type PlacedMove,
  type PlacedPack,
  type PlacedUnpack,
} from '../../../src/partition/placed.js';
import type { Random } from '../random.js';
import {
  lookalikes,
  onStep,
  replaceStep,
  skipMove,
  type Place,
  type PlacedMutation,
  type PlacedMutations,
} from './edit.js';

export const packed: PlacedMutations = {
  /** Who has a member whole adds it once a rank. */
  skip_mask: (graph, random) => {
    const makers = makersOf(graph);
    // Of zeros there is nothing to mask.
    const counts = (step: PlacedMove) => makers.get(step.inputs[0])?.inputs.length !== 0;
    const isMask = (step: PlacedMove) => step.move.kind === 'mask' || step.move.kind === 'pad';
    return onStep('move', (step) => isMask(step) && counts(step), skipMove)(graph, random);
  },
  /** Two members, what the step says of them, or both, in each other's place. */
  swap_members: onBucket((graph, { at, step }, random) => {
    if (step.members.length < 2) return null;
    const k = random.int(step.members.length - 1);
    const swap = <T>(list: readonly T[]) => list.map((one, i) => (i === k ? list[k + 1] : i === k + 1 ? list[k] : one));
    const [listed, said] = random.pick([
      [true, false],
      [false, true],
      [true, true],
    ]);
    const members = said ? swap(step.members) : step.members;
    if (!listed) return replaceStep(graph, at, { ...step, members });
    return step.kind === 'pack'
      ? replaceStep(graph, at, { ...step, members, inputs: swap(step.inputs) })
      : replaceStep(graph, at, { ...step, members, outputs: swap(step.outputs) });
  }),
  /** A member is another value of its type: a part not yet reduced, another chunk's, another member; a bucket is another one. */
  pack_another: onBucket((graph, { at, step }, random) => {
    const k = random.int(step.inputs.length);
    const others = lookalikes(graph, step.inputs[k], at);
    if (others.length === 0) return null;
    const other = random.pick(others);
    return step.kind === 'pack'
      ? replaceStep(graph, at, { ...step, inputs: step.inputs.with(k, other) })
      : replaceStep(graph, at, { ...step, inputs: [other] });
  }),
};

/** Applies a change to a random step that packs or unpacks. */
function onBucket(
  change: (graph: PlacedGraph, place: Place<PlacedPack | PlacedUnpack>, random: Random) => PlacedGraph | null,
): PlacedMutation {
  return (graph, random) => {
    const places = graph.steps.flatMap((step, at) =>
      step.kind === 'pack' || step.kind === 'unpack' ? [{ at, step }] : [],
    );
    return places.length === 0 ? null : change(graph, random.pick(places), random);
  };
}
