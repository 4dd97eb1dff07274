/**
 * `npm run bench -- reproducible`: what it costs that a step is reproducible, under a few plans: bytes of the arena and on the wire, which
 * programs state, and time, of two jobs that take turns. A ratio is the median over rounds of the time of a plan as usual to that of the same plan,
 * reproducible: above 1 the latter is faster. Its losses are shown to be one rank's, bit for bit.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cores } from '../src/engine/native/cores.js';
import { bytesText } from '../src/ir/units.js';
import { GPT } from '../src/nn/models/gpt/gpt.js';
import type { ParallelSizes } from '../src/plan/parallel_sizes.js';
import { optimizerOf, prepareContest, randomBatch } from './contestant/config.js';
import { benchModel, type BenchModelName } from './contestant/models.js';
import { Contestant } from './contestant/process.js';
import { compileStep } from './native_step.js';
import { median, printRow, type Row } from './rows.js';
import { stateProgram } from './strategies/statement.js';

export interface ReproducibleOptions {
  readonly model: BenchModelName;
  readonly rounds: number;
  /** Steps a side takes in one turn. */
  readonly block: number;
  /** Cores to share out among ranks. */
  readonly threads: number;
  /** Plans whose name contains this. */
  readonly only?: string;
  readonly emit: (row: ReproducibleRow) => void;
}

interface Stated {
  /** Bytes, of the rank that has most. */
  readonly arena: number;
  readonly gradients: number;
  /** Sent in a step, by the rank that sends most. */
  readonly sent: number;
}

export interface ReproducibleRow extends Row {
  readonly stated: { readonly usual: Stated; readonly reproducible: Stated };
  /** Losses that are not one rank's: none. */
  readonly otherLosses: number;
}

const plans: Readonly<Record<string, ParallelSizes>> = {
  'one rank': {},
  'data 2': { data_parallel_size: 2 },
  'data 2, ZeRO-1': { data_parallel_size: 2, zero_stage: 1 },
  'data 2, ZeRO-2': { data_parallel_size: 2, zero_stage: 2 },
  'data 2, ZeRO-3': { data_parallel_size: 2, zero_stage: 3 },
  'pipeline 2': { pipeline_parallel_size: 2 },
};

const warmUpSteps = 2;

export async function runReproducible(options: ReproducibleOptions): Promise<readonly ReproducibleRow[]> {
  const { only = '', emit } = options;
  const rows: ReproducibleRow[] = [];
  let serial: readonly number[] | null = null;
  for (const [name, sizes] of Object.entries(plans).filter(([plan]) => plan.includes(only))) {
    const { losses, seconds } = await inTurns(options, sizes);
    serial ??= losses;
    const ratio = median(seconds.usual.map((time, k) => time / seconds.reproducible[k]));
    const row: ReproducibleRow = {
      name: `${options.model}, ${name}`,
      unit: 's a step',
      ours: median(seconds.reproducible),
      peers: { usual: median(seconds.usual) },
      ratio,
      target: null,
      stated: { usual: stated(options, sizes, false), reproducible: stated(options, sizes, true) },
      otherLosses: losses.filter((loss, i) => loss !== serial![i]).length,
      cores: cores(),
      load_average: os.loadavg()[0],
      processor: os.cpus()[0]?.model,
    };
    emit(row);
    rows.push(row);
  }
  return rows;
}

async function inTurns({ model, rounds, block, threads }: ReproducibleOptions, sizes: ParallelSizes) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
  const started: Contestant[] = [];
  const ranks = (sizes.data_parallel_size ?? 1) * (sizes.pipeline_parallel_size ?? 1);
  const { sizes: own, batch } = benchModel(model);
  const batches = [1, 2, 3, 4].map((seed) => randomBatch(own.vocab, batch.sequences, own.context, seed));
  const share = Math.max(1, Math.floor(threads / ranks));
  try {
    const start = async (reproducible: boolean) => {
      const place = { folder: path.join(folder, String(reproducible)), device: 'cpu', compute: 'f32' } as const;
      const contest = prepareContest({
        ...place,
        ...batch,
        model: own,
        steps: 1000,
        threads: share,
        batches,
        validation: null,
      });
      const contestant = await Contestant.ours({ ...contest, reproducible }, sizes, ranks, place.folder);
      started.push(contestant);
      return { contestant, losses: [...(await contestant.run(warmUpSteps)).losses], seconds: [] as number[] };
    };
    const sides = [await start(false), await start(true)];
    for (let round = 0; round < rounds; round++)
      for (const side of sides) {
        const { losses, seconds } = await side.contestant.run(block);
        side.losses.push(...losses);
        side.seconds.push(median(seconds));
      }
    const [usual, reproducible] = sides;
    return {
      losses: reproducible.losses,
      seconds: { usual: usual.seconds, reproducible: reproducible.seconds },
    };
  } finally {
    await Promise.all(started.map((contestant) => contestant.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

function stated({ model }: ReproducibleOptions, sizes: ParallelSizes, reproducible: boolean): Stated {
  const { sizes: own, batch } = benchModel(model);
  const setup = {
    model: new GPT(own),
    optimizer: optimizerOf(100),
    sizes,
    batch,
    compute: 'f32',
    runSteps: 100,
  } as const;
  const { plan, compiled } = compileStep({ ...setup, seed: 1, reproducible }, 'cpu');
  const { memory, sentBytes } = stateProgram(plan, compiled);
  return { arena: memory.arena, gradients: memory.gradients, sent: sentBytes };
}

export function printReproducibleRow(row: ReproducibleRow): void {
  const { usual, reproducible } = row.stated;
  printRow(row);
  const both = (of: (one: Stated) => number) => `${bytesText(of(reproducible))} (usual ${bytesText(of(usual))})`;
  console.log(
    `  arena ${both(({ arena }) => arena)}, gradients ${both(({ gradients }) => gradients)}, ` +
      `sent ${both(({ sent }) => sent)}; ${row.otherLosses} losses that are not one rank's`,
  );
}
