/**
 * Groups of tokens that queue for experts apart (Lepikhin et al. 2021, §3.2): runs of equal length in which each sequence is cut. A group of
 * a logical microbatch has that run of each of its sequences.
 */
import type { Tensor } from '../ir/tensor.js';

export interface TokenGroups {
  readonly count: number;
  /** The factors of tokens whose queues are one, major first. */
  readonly within: readonly string[];
  /** The factors that tell queues of an expert apart. */
  readonly queues: readonly string[];
  /** […sequence…] → […token_group token…]; of one group, as it is. */
  cut(x: Tensor): Tensor;
  /** And back. */
  join(x: Tensor): Tensor;
}

export function tokenGroups(count: number): TokenGroups {
  if (count === 1) {
    const asItIs = (x: Tensor) => x;
    return { count, within: ['batch', 'sequence'], queues: ['microbatch'], cut: asItIs, join: asItIs };
  }
  const names = ['token_group', 'token'];
  return {
    count,
    within: ['batch', 'token'],
    queues: ['microbatch', 'token_group'],
    cut: (x) => x.apply('cut', [], { factor: 'sequence', names, sizes: [count, x.size('sequence') / count] }),
    join: (x) => x.apply('join', [], { factor: names, names: ['sequence'] }),
  };
}
