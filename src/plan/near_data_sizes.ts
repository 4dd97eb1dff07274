/** The sizes of data ranks, of shards and of ranks that share experts, nearest to those that were asked for and do not go together. */
import { divisorsOf } from '../options/divisors.js';
import { multiplesNear } from '../options/multiples_near.js';
import type { ParallelSizes } from './parallel_sizes.js';
import type { PlannedModel } from './planned_model.js';

/** Each but the last is legal beside the others as they were asked for; empty where none is. */
export interface NearDataSizes {
  /** Of a shard: the next below and the next above. */
  readonly shards: readonly number[];
  /** Of ranks that share experts. */
  readonly experts: readonly number[];
  /** Of the data ranks. */
  readonly data: readonly number[];
  readonly more: MoreRanks;
}

/** What other data ranks take. */
export interface MoreRanks {
  /** Whether the ranks are given, and others must be started. */
  readonly ranksAreGiven: boolean;
  /** Ranks to each of the data ranks. */
  readonly together: number;
}

/** Neighbours that share experts and neighbours that share parameters: the fewer are some of the more. */
export const goTogether = (shard: number | undefined, experts: number): boolean =>
  shard === undefined || shard % experts === 0 || experts % shard === 0;

/** `context`: numbers of ranks that share a sequence which can have experts of their own, beside all data ranks. */
export function nearDataSizes(
  { shard_size: shard, expert_parallel_size: experts = 1 }: ParallelSizes,
  data: number,
  { factors }: PlannedModel,
  more: MoreRanks,
  context: readonly number[],
): NearDataSizes {
  const most = 'experts' in factors ? factors.experts : 1;
  const divisors = divisorsOf(data).filter((n) => n > 1);
  const beyond = context.map((n) => data * n);
  const expertsFit = (data % experts === 0 || beyond.includes(experts)) && experts <= most;
  const together = goTogether(shard, experts) && experts <= most;
  return {
    shards: next(shard ?? 1, expertsFit ? divisors.filter((n) => goTogether(n, experts)) : []),
    experts: next(
      experts,
      [...divisors, ...beyond].filter((n) => n <= most && goTogether(shard, n)),
    ),
    data: together ? multiplesNear(data, Math.max(shard ?? 1, experts)) : [],
    more,
  };
}

const next = (asked: number, legal: readonly number[]): readonly number[] =>
  [legal.findLast((n) => n < asked), legal.find((n) => n > asked)].filter((n) => n !== undefined);
