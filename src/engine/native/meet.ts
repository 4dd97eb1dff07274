/** Engines of one process that are ranks of one job: they meet here, without a launcher. */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
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
  let isOver = false;
  const hosted = rendezvous(first, 0).finally(() => (isOver = true));
  // Torch's client that knocks before rank 0 listens tries again seconds later.
  const listens = async () => {
    while (!isOver && !(await isListening(port))) await sleep(1);
  };
  await Promise.race([hosted, listens()]);
  await Promise.all([hosted, ...others.map((engine, i) => rendezvous(engine, i + 1))]);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
