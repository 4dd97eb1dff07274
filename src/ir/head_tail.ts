/**
 * The order in which a sequence is stored whose attention is causal, so that ranks which share it have equally much to do: each has a run
 * from its head and one from its tail, the first rank the first and the last. (torch's head-tail load balancer; "zigzag".)
 *
 *   4 ranks   rank 0: runs 0 and 7   rank 1: 1 and 6   rank 2: 2 and 5   rank 3: 3 and 4
 *
 * What is stored is in even parts, one a rank; a part is half head and half tail, the head longer by one where it is odd.
 */
import { evenBounds } from './layout.js';

/** Elements that lie next to each other both where they are stored and in their sequence. */
export interface StoredRun {
  /** Of the first, where it is stored. */
  readonly stored: number;
  /** Its place in the sequence. */
  readonly position: number;
  readonly length: number;
}

/** Of each rank the run of the head and that of the tail, in the order in which they are stored; either may be empty. */
export function headTailRuns(size: number, ranks: number): readonly StoredRun[] {
  const bounds = evenBounds(size, ranks);
  const parts = Array.from({ length: ranks }, (_, rank) => bounds[rank + 1] - bounds[rank]);
  const heads = parts.map((length) => Math.ceil(length / 2));
  const tails = parts.map((length, rank) => length - heads[rank]);
  const sum = (lengths: readonly number[]) => lengths.reduce((total, length) => total + length, 0);
  return parts.flatMap((_, rank) => [
    { stored: bounds[rank], position: sum(heads.slice(0, rank)), length: heads[rank] },
    { stored: bounds[rank] + heads[rank], position: sum(heads) + sum(tails.slice(rank + 1)), length: tails[rank] },
  ]);
}

/** The runs, or parts of them, that a block of stored elements has, in order; `stored` counts from the block's first. */
export function runsWithin(runs: readonly StoredRun[], from: number, count: number): readonly StoredRun[] {
  return runs.flatMap(({ stored, position, length }) => {
    const begin = Math.max(stored, from);
    const end = Math.min(stored + length, from + count);
    return begin < end ? [{ stored: begin - from, position: position + begin - stored, length: end - begin }] : [];
  });
}

/** The place in its sequence of each stored element. */
export const headTailPositions = (size: number, ranks: number): readonly number[] =>
  headTailRuns(size, ranks).flatMap(({ position, length }) => Array.from({ length }, (_, i) => position + i));
