/** Over which ranks ZeRO splits, and how, from the sizes that are asked for. */
import type { DataAxes } from './data_sizes.js';
import { gatherWithoutStage3 } from './diagnostics.js';
import type { SharedSizes } from './nearest_sizes.js';
import type { PlannedSequence } from './sequence_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import { stage3Fields, type Plan } from './plan.js';

/**
 * Over data ranks, and the ranks that share a sequence: all of these have whole parameters. Of one such rank there is nothing to split: then
 * the plan says so, whatever the stage, since one configuration is run on many ranks and on one. Throws where how parameters are gathered is
 * said of a stage that gathers none.
 */
export function zeroOf(
  sizes: ParallelSizes,
  { mesh, shards }: DataAxes,
  sequence: Pick<PlannedSequence, 'mesh'>,
  { context, pipeline }: SharedSizes,
): Plan['zero'] {
  const ranks = shards.reduce((n, axis) => n * mesh[axis], 1);
  const { zero_stage: asked = 0, reshard_after_forward, prefetch, persistence_threshold } = sizes;
  const { reduce_gradients, bucket_bytes } = sizes;
  const field = stage3Fields.find((name) => sizes[name] !== undefined);
  if (field !== undefined && asked !== 3) {
    throw gatherWithoutStage3({ file: 'the configuration', field: `plan.${field}`, stage: asked });
  }
  const stage = ranks * context === 1 ? 0 : asked;
  const zero = {
    stage,
    axes: [...shards, ...Object.keys(sequence.mesh)],
    ...(reduce_gradients && { reduce_gradients }),
    ...(bucket_bytes !== undefined && { bucket_bytes }),
  };
  // A pipeline would gather them for every microbatch under way.
  if (stage === 3) {
    return {
      ...zero,
      reshard_after_forward: reshard_after_forward ?? pipeline === 1,
      prefetch: prefetch ?? 1,
      ...(persistence_threshold !== undefined && { persistence_threshold }),
    };
  }
  return zero;
}
