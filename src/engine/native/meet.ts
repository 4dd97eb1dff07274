/** Engines of one process that are ranks of one job: they meet here, without a launcher. */
import net from 'node:net';
import type { AddonEngine } from './bridge.js';

export interface MeetOptions {
  /** Another backend than the device's own, of a test build. */
  readonly backend?: string;
  /** How long one collective or receive may take. Default 30. */
  readonly operationTimeoutSeconds?: number;
}

/** Brings engines of this process together, the first as rank 0. */
export async function meet(
  engines: readonly AddonEngine[],
  { backend, operationTimeoutSeconds = 30 }: MeetOptions = {},
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

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
