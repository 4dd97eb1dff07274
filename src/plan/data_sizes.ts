/** The axes of the data ranks: which of them ZeRO splits over, and which hold experts of their own, from the sizes that are asked for. */
import type { AxisName } from '../ir/mesh.js';
import type { ExpertRanks } from './expert_sizes.js';
import type { NearDataSizes } from './near_data_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import type { PlanGroup } from './plan.js';
import { shardSizeDoesNotDivide, shardsOfOneRank, shardsWithoutZero } from './size_diagnostics.js';

export interface DataAxes {
  /** Major first. */
  readonly mesh: PlanGroup['mesh'];
  /** Among the ranks of these ZeRO splits. */
  readonly shards: readonly AxisName[];
  /** Ranks along these have experts of their own; none where experts are not split over data ranks. */
  readonly experts: readonly AxisName[];
}

/**
 * Shards lie on neighbouring ranks, and so do the ranks that share experts: they exchange more than their replicas do. Where both are given, one
 * is a part of the other.
 *
 *   data 8, shard_size 4, expert_parallel_size 2     data.replica 2 × data.shard 2 × data.expert 2
 */
export function dataAxesOf(data: number, shard: number, { data: experts }: Pick<ExpertRanks, 'data'>): DataAxes {
  const inner = (name: string, size: number) => (size === 1 || size === data ? [] : [{ name, size }]);
  // The larger stands outside.
  const cuts = [...inner('data.shard', shard), ...inner('data.expert', experts)].sort((a, b) => b.size - a.size);
  const axes: { readonly name: AxisName; readonly ranks: number; readonly within: number }[] = [];
  let whole = { name: cuts.length > 0 ? 'data.replica' : 'data', size: data };
  for (const cut of cuts) {
    if (cut.size === whole.size) continue;
    axes.push({ name: whole.name, ranks: whole.size / cut.size, within: whole.size });
    whole = cut;
  }
  axes.push({ name: whole.name, ranks: whole.size, within: whole.size });
  const inside = (size: number) => axes.filter(({ within }) => within <= size).map(({ name }) => name);
  return {
    mesh: Object.fromEntries(axes.map(({ name, ranks }) => [name, ranks])),
    shards: inside(shard),
    experts: experts === 1 ? [] : inside(experts),
  };
}

/** Among how many data ranks ZeRO splits. Throws where that does not divide them, or nothing is split. */
export function shardOf(
  { shard_size: shard, zero_stage: stage = 0 }: ParallelSizes,
  data: number,
  near: NearDataSizes,
): number {
  if (shard === undefined) return data;
  if (stage === 0) throw shardsWithoutZero({ shard });
  if (shard === 1) throw shardsOfOneRank({ data, near: near.shards });
  if (data % shard !== 0) throw shardSizeDoesNotDivide({ shard, data, near });
  return shard;
}
