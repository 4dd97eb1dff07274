/** Several ranks in one process, each with an engine of its own: the fast way to try communication. */
import { loadAddon, type AddonEngine } from '../bridge.js';
import type { LaunchList } from '../loaded_program.js';
import { meet, type MeetOptions } from '../meet.js';
import { deviceOfRank } from './device.js';
import type { Doubles } from './doubles.js';

/** Where the engines of a test compute, and what stands in the place of their parts. */
export interface RankOptions extends Partial<Omit<Doubles, 'device' | 'backend'>>, MeetOptions {
  /** That of the tests if absent. */
  readonly device?: (rank: number) => string;
}

/** Engines that have met, in rank order. The caller closes them. */
export async function openRanks(
  ranks: number,
  arenaBytes: number,
  { addon = loadAddon(), device = deviceOfRank, streams, ...meeting }: RankOptions = {},
): Promise<AddonEngine[]> {
  const engines = Array.from({ length: ranks }, (_, rank) =>
    addon.open({ device: device(rank), threads: 1, arenaBytes, streams }),
  );
  await meet(engines, meeting);
  return engines;
}

/** Loads and runs one program a rank, once. */
export async function runRanks(engines: readonly AddonEngine[], program: (rank: number) => LaunchList): Promise<void> {
  const loaded = await Promise.all(engines.map((engine, rank) => engine.load(program(rank))));
  await Promise.all(loaded.map((one) => one.run()));
}

/** A copy of the arena's bytes, on any device. */
export async function readBytes(engine: AddonEngine, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await engine.read(offset, bytes);
  return bytes;
}
