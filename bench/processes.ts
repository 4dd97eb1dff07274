/** Starting processes of a bench: Node programs beside this file, and the ranks of a job. */
import net from 'node:net';
import { fileURLToPath } from 'node:url';

/** Arguments that make Node run a program of bench/, as this one runs: built, or from its source. */
export function nodeArguments(program: string): string[] {
  const own = fileURLToPath(import.meta.url);
  const extension = own.slice(own.lastIndexOf('.'));
  const file = fileURLToPath(new URL(`${program}${extension}`, import.meta.url));
  return [...process.execArgv, ...(extension === '.ts' && !process.execArgv.length ? ['--import', 'tsx'] : []), file];
}

/** torchrun's variables for the ranks of a job on this machine; none where it is a single process. */
export async function rankPlaces(ranks: number): Promise<readonly Readonly<Record<string, string>>[]> {
  if (ranks === 1) return [{}];
  const port = await freePort();
  return Array.from({ length: ranks }, (_, rank) => ({
    RANK: String(rank),
    WORLD_SIZE: String(ranks),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(ranks),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
  }));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
