/**
 * Random training steps in which any axes meet: language models of two layers or more, with attention, norms and a tied embedding, their
 * hidden layers and vocabularies of odd sizes, on up to sixteen ranks.
 */
import fc from 'fast-check';
import { anyHints, ranksOfDraw, trainingFields, type HintsDraw, type MeshDraw, type TrainingDraw } from './training.js';

/** Ranks of all groups at most. */
export const mostRanks = 16;

export const everyAxis = (): fc.Arbitrary<readonly [TrainingDraw, HintsDraw]> =>
  fc.tuple(
    fc.record<TrainingDraw>({
      ...trainingFields(),
      model: fc.constantFrom('gpt', 'llama', 'mixtral'),
      layers: fc.constantFrom(2, 2, 2, 3),
      heads: fc.constantFrom(1, 2, 3, 5),
      hidden: fc.constantFrom(3, 5, 7, 9),
      vocab: fc.constantFrom(5, 7, 11),
      // Rings turn evenly where two or three ranks share six.
      sequence: fc.constantFrom(3, 4, 5, 6),
      contextMethod: fc.constantFrom('allgather', 'ulysses', 'ulysses+ring', 'ring', 'ring'),
      // Sequences are stored head-tail without a window, in rings without documents or biases.
      headTail: fc.constantFrom(true, true, true, false),
      window: fc.constantFrom(0, 0, 0, 0, 1, 2),
      documents: fc.constantFrom('packed', 'packed', 'separate'),
      positions: fc.constantFrom('learned', 'learned', 'learned', 'alibi', 'relative'),
      tied: fc.constant(true),
      update: fc.constant(true),
      meshes: fc.oneof(...someMeshes),
      microbatches: fc.constantFrom(1, 1, 2, 3),
      zero: fc.constantFrom(0, 1, 2, 3, 1, 2, 3),
      // Nothing is left whole twice in three times: more axes meet.
      skip: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(31) }),
    }),
    fc.oneof({ weight: 3, arbitrary: fc.constant({ percent: 0, seed: 0 }) }, { weight: 1, arbitrary: anyHints() }),
  );

const isSplit = (size: number): number => (size > 1 ? 1 : 0);

/** Ranks along data, tensor and context, and stages of a pipeline: how many of these four a draw of meshes has. */
const axesOf = (meshes: readonly MeshDraw[]): number =>
  isSplit(meshes.length) +
  isSplit(Math.max(...meshes.map(({ data }) => data))) +
  isSplit(Math.max(...meshes.map(({ tensor }) => tensor))) +
  isSplit(Math.max(...meshes.map(({ context }) => context)));

const meshDraws: readonly MeshDraw[] = [1, 2, 3, 4].flatMap((data) =>
  [1, 2, 3, 4].flatMap((tensor) => [1, 2, 3].map((context): MeshDraw => ({ data, tensor, context }))),
);

const ranksOfDraws = (meshes: readonly MeshDraw[]): number => meshes.reduce((sum, mesh) => sum + ranksOfDraw(mesh), 0);

/** One group, two alike or unlike, or four alike. */
const groups: readonly (readonly MeshDraw[])[] = [
  ...meshDraws.map((mesh) => [mesh]),
  ...meshDraws.flatMap((first) => meshDraws.map((second) => [first, second])),
  ...meshDraws.map((mesh) => [mesh, mesh, mesh, mesh]),
].filter((meshes) => ranksOfDraws(meshes) <= mostRanks);

/** Time goes by ranks, so most have few. `axes`: of the four above, at least; `stages`: groups, any number where it is null. */
const someMeshes = [
  { weight: 3, ranks: [1, 4], axes: 0, stages: 1 },
  { weight: 2, ranks: [8, 8], axes: 3, stages: 1 },
  { weight: 1, ranks: [2, 4], axes: 0, stages: null },
  { weight: 3, ranks: [4, 6], axes: 3, stages: 2 },
  { weight: 1, ranks: [6, 8], axes: 3, stages: null },
  { weight: 1, ranks: [9, mostRanks], axes: 3, stages: null },
].map(({ weight, ranks: [from, to], axes, stages }) => {
  const fitting = groups.filter((meshes) => {
    const ranks = ranksOfDraws(meshes);
    return ranks >= from && ranks <= to && axesOf(meshes) >= axes && (stages === null || meshes.length === stages);
  });
  return { weight, arbitrary: fc.constantFrom(...fitting) };
});
