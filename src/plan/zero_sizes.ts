/** Over which ranks ZeRO splits, and how, from the sizes that are asked for. */
import { gatherWithoutStage3 } from './diagnostics.js';
import { shardSizeDoesNotDivide, shardsOfOneRank, shardsWithoutZero } from './size_diagnostics.js';
import type { SharedSizes } from './nearest_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import { stage3Fields, type Plan, type PlanGroup } from './plan.js';

/**
 * The axes of the data ranks, the last of them ZeRO's. Shards lie on neighbouring ranks: they exchange more than their replicas do. Throws
 * where the sizes do not multiply, or nothing is split.
 */
export function dataAxesOf(
  { shard_size: shard, zero_stage: stage = 0 }: ParallelSizes,
  data: number,
): PlanGroup['mesh'] {
  if (shard === undefined) return { data };
  if (stage === 0) throw shardsWithoutZero({ shard });
  if (shard === 1) throw shardsOfOneRank({ data });
  if (data % shard !== 0) throw shardSizeDoesNotDivide({ shard, data });
  return shard === data ? { data } : { 'data.replica': data / shard, 'data.shard': shard };
}

/**
 * Over the last of the data axes, and the ranks that share a sequence: all of these have whole parameters. Of one such rank there is nothing to split: then the plan says so, whatever the stage, since one
 * configuration is run on many ranks and on one. Throws where how parameters are gathered is said of a stage that gathers none.
 */
export function zeroOf(
  sizes: ParallelSizes,
  dataAxes: PlanGroup['mesh'],
  { context, pipeline }: SharedSizes,
): Plan['zero'] {
  const [data, ranks] = Object.entries(dataAxes).at(-1)!;
  const { zero_stage: asked = 0, reshard_after_forward, prefetch, persistence_threshold } = sizes;
  const { reduce_gradients, bucket_bytes } = sizes;
  const field = stage3Fields.find((name) => sizes[name] !== undefined);
  if (field !== undefined && asked !== 3) {
    throw gatherWithoutStage3({ file: 'the configuration', field: `plan.${field}`, stage: asked });
  }
  const stage = ranks * context === 1 ? 0 : asked;
  const zero = {
    stage,
    axes: context > 1 ? [data, 'context'] : [data],
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
