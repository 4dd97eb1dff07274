/**
 * `npm run bench -- threads`: how OpenMP's threads best wait for each other, on a machine that is ours alone and on one that is not.
 *
 * One process for each way of waiting; they take turns, a few steps each, several rounds, first with the machine as it is, then with a
 * busy loop for each core beside them. A ratio is the median over rounds of theirs to that of a short spin.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cores } from '../src/engine/native/cores.js';
import { spinVariables, waitVariables } from '../src/engine/native/waiting.js';
import { prepareContest, randomBatch } from './contestant/config.js';
import { benchModel, type BenchModelName } from './contestant/models.js';
import { Contestant } from './contestant/process.js';
import { median, type Row } from './rows.js';

export interface ThreadsOptions {
  readonly rounds: number;
  /** Steps a side takes in one turn. */
  readonly block: number;
  /** Of the one rank. */
  readonly threads: number;
  readonly models: readonly BenchModelName[];
  readonly emit: (row: Row) => void;
}

/** As libgomp reads them. Without any, it spins as `usual` does, unless more threads are asked for than there are cores. */
const ways: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  short: spinVariables,
  usual: { GOMP_SPINCOUNT: '300000' },
  active: { OMP_WAIT_POLICY: 'active' },
  passive: { OMP_WAIT_POLICY: 'passive' },
};

const warmUpSteps = 3;

export async function runThreads(options: ThreadsOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const model of options.models) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
    const sides: { readonly name: string; readonly contestant: Contestant }[] = [];
    try {
      for (const [name, own] of Object.entries(ways)) {
        const none = Object.fromEntries(waitVariables.map((variable) => [variable, undefined]));
        const contestant = await Contestant.ours(contestOf(model, options, folder), {}, 1, folder, () => ({
          ...none,
          ...own,
        }));
        await contestant.run(warmUpSteps);
        sides.push({ name, contestant });
      }
      for (const load of ['as it is', 'busy'] as const) {
        const row = await turnsOf(sides, { ...options, model, load });
        options.emit(row);
        rows.push(row);
      }
    } finally {
      await Promise.all(sides.map(({ contestant }) => contestant.stop()));
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

function contestOf(model: BenchModelName, { threads }: ThreadsOptions, folder: string) {
  const { sizes, batch } = benchModel(model);
  const { sequences, microbatch } = batch;
  const batches = [1, 2, 3, 4].map((seed) => randomBatch(sizes.vocab, sequences, sizes.context, seed));
  const place = { folder, device: 'cpu', compute: 'f32' } as const;
  return prepareContest({
    ...place,
    model: sizes,
    steps: 1000,
    sequences,
    microbatch,
    threads,
    batches,
    validation: null,
  });
}

interface Turn extends ThreadsOptions {
  readonly model: BenchModelName;
  readonly load: 'as it is' | 'busy';
}

async function turnsOf(
  sides: readonly { readonly name: string; readonly contestant: Contestant }[],
  { rounds, block, threads, model, load }: Turn,
): Promise<Row> {
  const seconds = new Map(sides.map(({ name }) => [name, [] as number[]]));
  const loops =
    load === 'busy' ? Array.from({ length: cores() }, () => spawn(process.execPath, ['-e', 'for (;;);'])) : [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (const { name, contestant } of sides) seconds.get(name)!.push(median((await contestant.run(block)).seconds));
    }
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
  const [[, ours], ...others] = [...seconds];
  const ratios = Object.fromEntries(
    others.map(([name, theirs]) => [name, median(theirs.map((time, k) => time / ours[k]))]),
  );
  return {
    name: `${model}, one rank of ${threads} threads, machine ${load}`,
    unit: 's a step',
    ours: median(ours),
    peers: Object.fromEntries(others.map(([name, theirs]) => [name, median(theirs)])),
    ratio: ratios[others[0][0]],
    target: null,
    ratios,
    cores: cores(),
    load_average: os.loadavg()[0],
    processor: os.cpus()[0]?.model,
  };
}
