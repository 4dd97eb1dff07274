/**
 * Prices that make the partitioner choose by whim. Meaning and choice are apart: whatever it chooses among its candidates, the result
 * must be right; good prices only make it cheap, and on small models always make the same few choices.
 */
import { oneMachine } from '../../src/cost/index.js';
import { defaultCosts, type PartitionCosts } from '../../src/partition/costs.js';
import { uniform } from './scenario.js';

/** Seed 0: the prices that the compiler has by default. 1: bytes and flops count, latencies do not. Others: whims. */
export function whim(seed: number): PartitionCosts {
  if (seed === 0) return defaultCosts();
  const free = defaultCosts({ ...oneMachine, launchSeconds: 1e-12, latencySeconds: 0 });
  if (seed === 1) return free;
  // Asked again it prices alike: a quote and a program of one plan are of one whim.
  const seconds: PartitionCosts['seconds'] = ({ node, assignment, flops }) =>
    uniform(`whim ${seed} ${node.op} ${flops} ${JSON.stringify(assignment)}`);
  return { ...free, seconds, repeatSeconds: 0 };
}

/** Prices of everything by a seed: of ops, collectives and messages. Asked again, they price alike. */
export function anyPrices(seed: number): PartitionCosts {
  const draw = (...what: readonly unknown[]) => uniform(`price ${seed} ${JSON.stringify(what)}`);
  return {
    seconds: draw,
    communicationSeconds: draw,
    transferSeconds: draw,
    debt: { made: 4 * draw('made'), postponed: 4 * draw('postponed') },
    repeatSeconds: draw('repeat'),
    kindOf: (group) => group,
  };
}
