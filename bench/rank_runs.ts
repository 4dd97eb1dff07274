/** Runs a program of bench/ once as the ranks of a job, and what is loaded before it to count what it does. */
import { execFile, execFileSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../src/engine/native/package_root.js';
import { nodeArguments, rankPlaces } from './processes.js';

export interface RankRun {
  /** Beside this file: `memory/rank`. */
  readonly program: string;
  readonly args: readonly string[];
  readonly ranks: number;
  /** Of each rank. */
  readonly threads: number;
  /** Of Node's. */
  readonly options?: readonly string[];
  readonly env: (rank: number) => Readonly<Record<string, string>>;
}

/** What each rank wrote in its last line on standard output. */
export async function runRanks<T>({
  program,
  args,
  ranks,
  threads,
  options = [],
  env,
}: RankRun): Promise<readonly T[]> {
  const places = await rankPlaces(ranks);
  const whole = [...options, ...nodeArguments(program), ...args];
  return Promise.all(
    places.map(async (place, rank) => {
      const variables = { ...process.env, ...place, ...env(rank), OMP_NUM_THREADS: String(threads) };
      const { stdout } = await promisify(execFile)(process.execPath, whole, { env: variables, maxBuffer: 1 << 26 });
      return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
    }),
  );
}

/** Builds a library of native/preload/ into a folder; its path. */
export function buildPreload(name: string, folder: string): string {
  const library = path.join(folder, `${name}.so`);
  const source = path.join(packageRoot(), 'native', 'preload', `${name}.cpp`);
  execFileSync(process.env.CXX ?? 'c++', ['-std=c++20', '-O1', '-shared', '-fPIC', '-o', library, source, '-ldl']);
  return library;
}
