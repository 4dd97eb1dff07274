/** How many threads a rank computes with on a CPU. */
import type { TrainConfig } from '../config/schema.js';
import { cores } from '../engine/native/cores.js';
import { counted } from '../ir/units.js';
import { deviceOf } from './device.js';
import { threadsBad } from './diagnostics.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** OpenMP threads for each rank of this machine: OMP_NUM_THREADS where it is set, else an equal share of the cores. */
export function threadsPerRank(localWorldSize: number, env: Environment = process.env): number {
  const given = env.OMP_NUM_THREADS;
  if (!given) return Math.max(1, Math.floor(cores() / localWorldSize));
  if (!/^\d+$/.test(given)) throw threadsBad({ value: given });
  return Math.max(1, Number(given));
}

/** A warning where the ranks of this machine have more threads than it has cores; null where they have not. */
export function crowdedCores(
  config: Pick<TrainConfig, 'engine' | 'device' | 'threads'>,
  localRanks: number,
  available: number = cores(),
  env: Environment = process.env,
): string | null {
  if (config.engine === 'reference' || deviceOf(config, 0) !== 'cpu') return null;
  const threads = config.threads ?? threadsPerRank(localRanks, env);
  if (localRanks * threads <= available) return null;
  const fix =
    localRanks > available
      ? `at most ${counted(available, 'rank')} here`
      : `threads at ${Math.floor(available / localRanks)}`;
  return (
    `${counted(localRanks, 'rank')} × ${counted(threads, 'thread')} on ${counted(available, 'core')}: ` +
    `they wait for each other, and steps take many times as long; keep ${fix}`
  );
}
