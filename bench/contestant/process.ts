/** One side of a comparison: its processes, told what to do line by line. */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { locateTorch } from '../../src/engine/native/locate.js';
import { packageRoot } from '../../src/engine/native/package_root.js';
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { nodeArguments, rankPlaces } from '../processes.js';
import type { ContestantConfig } from './config.js';
import type { ProfileRow } from './profile.js';

export interface RunAnswer {
  readonly seconds: readonly number[];
  /** Processor time of rank 0, all threads: with one thread, what a busy machine disturbs least. */
  readonly cpu_seconds: readonly number[];
  readonly losses: readonly number[];
  /** Before clipping. */
  readonly gradient_norms: readonly number[];
}

/** What one rank answers to `memory`. */
export interface MemoryAnswer {
  /** Bytes taken from the GPU that the rank runs on; on the CPU, the most that was ever resident. */
  readonly peak_bytes: number;
  /** The most that was in use of them; null on the CPU. */
  readonly allocated_bytes: number | null;
  /** Ours alone. */
  readonly arena_bytes?: number;
}

/** What PyTorch says of itself. */
export interface PyTorchAbout {
  readonly torch: string;
  /** CUDA version that it was built for; null for none. */
  readonly cuda: string | null;
  readonly float32_matmul_precision: string;
}

/** glibc's allocator as it serves PyTorch best: freed memory is kept, and nothing is mapped anew for each large tensor. */
export const bestMallocSettings = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: '17179869184',
  MALLOC_TOP_PAD_: '67108864',
} as const;

/** Environment variables of its own for each rank; undefined: without one that this process has. */
type RankVariables = (rank: number) => Readonly<Record<string, string | undefined>>;

export class Contestant {
  readonly name: string;
  private readonly ranks: readonly RankProcess[];

  private constructor(name: string, ranks: readonly RankProcess[]) {
    this.name = name;
    this.ranks = ranks;
  }

  static async ours(
    config: ContestantConfig,
    sizes: ParallelSizes,
    ranks: number,
    folder: string,
    env: RankVariables = () => ({}),
  ): Promise<Contestant> {
    const file = path.join(folder, 'ours.json');
    writeFileSync(file, JSON.stringify({ ...config, sizes }));
    const args = [...nodeArguments('contestant/ours'), file];
    return Contestant.start('ours', ranks, config.threads, process.execPath, args, env);
  }

  static async pytorch(
    name: string,
    config: ContestantConfig,
    ranks: number,
    folder: string,
    env: Readonly<Record<string, string>> = bestMallocSettings,
  ): Promise<Contestant> {
    const python = (await locateTorch()).found?.python ?? 'python3';
    const main = path.join(packageRoot(), 'bench', 'pytorch', 'contestant.py');
    const file = path.join(folder, `${name.replaceAll(/\W+/g, '_')}.json`);
    writeFileSync(file, JSON.stringify(config));
    return Contestant.start(name, ranks, config.threads, python, [main, file], () => env);
  }

  private static async start(
    name: string,
    ranks: number,
    threads: number,
    command: string,
    args: readonly string[],
    env: RankVariables,
  ): Promise<Contestant> {
    const places = await rankPlaces(ranks);
    return new Contestant(
      name,
      places.map((place, rank) => {
        const variables = { ...process.env, OMP_NUM_THREADS: String(threads), ...env(rank), ...place };
        return new RankProcess(name, spawn(command, args, { env: variables, stdio: 'pipe' }));
      }),
    );
  }

  /** Runs steps; what rank 0 saw of them. */
  async run(steps: number, timeoutSeconds = 600): Promise<RunAnswer> {
    const [answer] = await this.runAll(steps, timeoutSeconds);
    return answer;
  }

  /** Runs steps; what each rank saw of them. */
  async runAll(steps: number, timeoutSeconds = 600): Promise<readonly RunAnswer[]> {
    return (await this.ask(`run ${steps}`, timeoutSeconds)) as RunAnswer[];
  }

  async validate(): Promise<number> {
    const [answer] = await this.ask('validate', 600);
    return (answer as { loss: number }).loss;
  }

  async profile(steps: number): Promise<readonly ProfileRow[]> {
    const [answer] = await this.ask(`profile ${steps}`, 600);
    return (answer as { rows: readonly ProfileRow[] }).rows;
  }

  /** Of each rank. */
  async memory(): Promise<readonly MemoryAnswer[]> {
    return (await this.ask('memory', 60)) as MemoryAnswer[];
  }

  /** PyTorch's alone. */
  async about(): Promise<PyTorchAbout> {
    const [answer] = await this.ask('about', 60);
    return answer as PyTorchAbout;
  }

  /** Ends its processes. */
  async stop(): Promise<void> {
    await Promise.all(this.ranks.map((rank) => rank.stop()));
  }

  private ask(command: string, timeoutSeconds: number): Promise<unknown[]> {
    return Promise.all(this.ranks.map((rank) => rank.ask(command, timeoutSeconds)));
  }
}

const saidCharacters = 1500;

class RankProcess {
  private readonly name: string;
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private waiting: { resolve(answer: unknown): void; reject(error: Error): void } | null = null;
  private failure: Error | null = null;
  /** The end of what it has written to standard error: why it ended, as a rule. */
  private said = '';

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      // Libraries write there too.
      if (!line.startsWith('{')) return void process.stderr.write(`${line}\n`);
      this.waiting?.resolve(JSON.parse(line));
      this.waiting = null;
    });
    child.stderr!.on('data', (text: Buffer) => {
      process.stderr.write(text);
      this.said = (this.said + text.toString()).slice(-saidCharacters);
    });
    child.stdin!.on('error', () => {}); // it has ended, which `exit` tells
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.failure = new Error(`${name} has ended: ${how}${this.said && `; it said: ${this.said.trim()}`}`);
        this.waiting?.reject(this.failure);
        resolve();
      };
      child.on('error', (error) => end(error.message));
      // What it said last may still be on its way; the pipe itself stays open while a child of its own lives.
      child.on('exit', (status, signal) => setTimeout(() => end(signal ?? `status ${status}`), 100));
    });
  }

  ask(command: string, timeoutSeconds: number): Promise<unknown> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.name} has not answered '${command}' in ${timeoutSeconds} s`)),
        1000 * timeoutSeconds,
      );
      this.waiting = {
        resolve: (answer) => (clearTimeout(timer), resolve(answer)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      };
      this.child.stdin!.write(`${command}\n`);
    });
  }

  async stop(): Promise<void> {
    this.child.stdin!.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.ended;
    clearTimeout(timer);
  }
}
