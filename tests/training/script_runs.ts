/**
 * Scripts as a user writes and starts them, on the built library. TypeScript (`.mts`) is read by tsx, which costs each process of a job
 * seconds to start; what is no matter of TypeScript is plain JavaScript (`.mjs`).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { flotillaLibrary } from '../setup/built.js';
import { onNative, type Workplace } from './tiny_run.js';

const loader = import.meta.resolve('tsx');

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ScriptOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether runs show their progress. Default false: what a script prints is its own. */
  readonly shows?: boolean;
}

const argumentsFor = (file: string): readonly string[] => (file.endsWith('.mjs') ? [file] : ['--import', loader, file]);

export class Scripts {
  readonly #work: Workplace;

  constructor(work: Workplace) {
    this.#work = work;
  }

  /** Runs a script. `options(name)` in it: those of a tiny run on real ranks; `onReference(name)`: in its own process. */
  run(name: string, text: string, options: ScriptOptions = {}): Ended {
    const file = this.#write(name, text, options);
    return spawnSync(process.execPath, argumentsFor(file), {
      cwd: this.#work.folder,
      encoding: 'utf8',
      env: { ...process.env, ...options.env },
    });
  }

  /** Runs a script in two processes, as torchrun and the like do. */
  async runInRanks(name: string, text: string, options: ScriptOptions = {}): Promise<readonly Ended[]> {
    const file = this.#write(name, text, options);
    const port = await freePort();
    const ranks = [0, 1].map((rank) => {
      const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: 2, LOCAL_WORLD_SIZE: 2, MASTER_PORT: port };
      const env = {
        ...process.env,
        MASTER_ADDR: '127.0.0.1',
        ...Object.fromEntries(Object.entries(place).map(([key, value]) => [key, String(value)])),
      };
      const child = spawn(process.execPath, argumentsFor(file), { cwd: this.#work.folder, env });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      return new Promise<Ended>((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
    });
    return Promise.all(ranks);
  }

  #write(name: string, text: string, { shows = false }: ScriptOptions): string {
    const file = this.#work.file(name);
    const directory = this.#work.file('runs');
    const options = this.#work.options('', { ...onNative, steps: 2 });
    const prelude = `
      import { train, resume, generate, models, trainEvents } from ${JSON.stringify(flotillaLibrary)};
      const options = (name) => ({ ...${JSON.stringify(options)},
        logging: { directory: ${JSON.stringify(directory)}, name, console: ${shows} } });
      const onReference = (name) => ({ ...options(name), engine: 'reference', device: 'cpu' });
      class Mine extends models.GPT {}
      const mine = (dim) => new Mine({ layers: 1, dim, heads: 2, context: 8, vocab: 270 });`;
    writeFileSync(file, `${prelude.trim()}\n${text}`);
    return file;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
