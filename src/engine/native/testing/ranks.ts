/** Several ranks in one process, each with an engine of its own: the fast way to try communication. */
import net from 'node:net';
import { loadAddon, type AddonEngine } from '../bridge.js';
import type { LaunchList } from '../loaded_program.js';
import { deviceOfRank } from './device.js';
import type { Doubles } from './doubles.js';

/** Where the engines of a test compute, and what stands in the place of their parts. */
export interface RankOptions extends Partial<Omit<Doubles, 'device'>> {
  /** That of the tests if absent. */
  readonly device?: (rank: number) => string;
  /** How long one collective or receive may take. Default 30. */
  readonly operationTimeoutSeconds?: number;
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

/** Brings engines of this process together, the first as rank 0. */
export async function meet(
  engines: readonly AddonEngine[],
  { backend, operationTimeoutSeconds = 30 }: Pick<RankOptions, 'backend' | 'operationTimeoutSeconds'> = {},
): Promise<void> {
  const port = await freePort();
  const rendezvous = (engine: AddonEngine, rank: number) =>
    engine.rendezvous({
      address: '127.0.0.1',
      port,
      rank,
      worldSize: engines.length,
      hostStore: rank === 0,
      generation: '0',
      timeoutSeconds: 30,
      operationTimeoutSeconds,
      backend,
    });
  const [first, ...others] = engines;
  const hosted = rendezvous(first, 0);
  // Whoever knocks before rank 0 listens tries again seconds later.
  await Promise.race([hosted, new Promise((resolve) => setTimeout(resolve, 50))]);
  await Promise.all([hosted, ...others.map((engine, i) => rendezvous(engine, i + 1))]);
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

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
