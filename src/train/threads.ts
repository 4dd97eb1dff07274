/** How many threads a rank computes with on a CPU. */
import os from 'node:os';
import { threadsBad } from './diagnostics.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** OpenMP threads for each rank of this machine: OMP_NUM_THREADS where it is set, else an equal share of the cores. */
export function threadsPerRank(localWorldSize: number, env: Environment = process.env): number {
  const given = env.OMP_NUM_THREADS;
  if (!given) return Math.max(1, Math.floor(os.availableParallelism() / localWorldSize));
  if (!/^\d+$/.test(given)) throw threadsBad({ value: given });
  return Math.max(1, Number(given));
}
