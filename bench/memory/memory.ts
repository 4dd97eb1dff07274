/**
 * `npm run bench -- memory`: what the compiler predicts of memory against what is measured without knowledge of it.
 *
 * For each program of the demo's model: its arena over the largest sum of bytes alive at once; the last byte of the arena that ten
 * steps change, of an arena filled with 0x00 and with 0xFF; growth of anonymous resident memory less V8's heap; allocations of the
 * addon's code in ten later steps. With a folder of google/minimalloc's problems, those too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { GPT } from '../../src/nn/models/gpt/gpt.js';
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';
import type { LoweredClass } from '../../src/lower/lower_class.js';
import { demoBatch } from '../../src/config/demo.js';
import { optimizerOf } from '../contestant/config.js';
import { demoModel } from '../contestant/models.js';
import { compileStep, ranksOfSizes } from '../native_step.js';
import { buildPreload, runRanks } from '../rank_runs.js';
import { printRow, type Row } from '../rows.js';
import { runMinimalloc } from './minimalloc.js';
import type { MemoryReport, MemoryRequest } from './rank.js';

export interface MemoryOptions {
  /** A folder of minimalloc's problems. */
  readonly minimalloc?: string;
  /** Programs whose name contains this. */
  readonly only?: string;
  /** Whether programs are run, or their arenas only compared with what lives in them. */
  readonly run: boolean;
  readonly threads: number;
}

const programs: readonly { readonly name: string; readonly sizes: ParallelSizes }[] = [
  { name: 'one process', sizes: {} },
  { name: 'data 2', sizes: { data_parallel_size: 2 } },
  { name: 'data 2, ZeRO-1', sizes: { data_parallel_size: 2, zero_stage: 1 } },
  { name: 'tensor 2', sizes: { tensor_parallel_size: 2 } },
  { name: 'data 2 × tensor 2', sizes: { data_parallel_size: 2, tensor_parallel_size: 2 } },
  { name: '1F1B, two groups', sizes: { pipeline_parallel_size: 2 } },
];

export async function runMemory(options: MemoryOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const add = (row: Row) => {
    printRow(row);
    rows.push(row);
  };
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
  try {
    const preload = options.run ? buildPreload('count_mallocs', folder) : '';
    for (const { name, sizes } of programs.filter((one) => one.name.includes(options.only ?? ''))) {
      arenaRows(name, sizes).forEach(add);
      if (options.run) (await measuredRows(name, sizes, options, folder, preload)).forEach(add);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (options.minimalloc) rows.push(...runMinimalloc(options.minimalloc).map((row) => ({ ...row })));
  return rows;
}

function arenaRows(name: string, sizes: ParallelSizes): readonly Row[] {
  const model = new GPT(demoModel);
  const setup = { model, optimizer: optimizerOf(100), sizes, batch: demoBatch, compute: 'bf16' as const };
  const classes: readonly LoweredClass[] = compileStep({ ...setup, runSteps: 100, seed: 1 }, 'cpu').compiled.program
    .classes;
  return classes.map(({ name: className, arenaBytes, liveBytes }) => ({
    name: `memory/arena over live bytes/${name}${classes.length > 1 ? `, ${className}` : ''}`,
    unit: 'bytes',
    ours: arenaBytes,
    peers: { live: liveBytes },
    ratio: liveBytes / arenaBytes,
    target: 1 / 1.02,
  }));
}

/** The worst rank of each measure. */
async function measuredRows(
  name: string,
  sizes: ParallelSizes,
  { threads }: MemoryOptions,
  folder: string,
  preload: string,
): Promise<readonly Row[]> {
  const share = Math.max(1, Math.floor(threads / ranksOfSizes(sizes)));
  const request = { sizes, compute: 'bf16' as const, threads: share };
  const zeros = await runProgram({ ...request, prefill: 0x00 }, folder, preload);
  const ones = await runProgram({ ...request, prefill: 0xff }, folder, null);
  const written = zeros.map((rank, i) => ({
    ours: Math.max(rank.writtenBytes, ones[i].writtenBytes),
    predicted: rank.arenaBytes,
  }));
  const resident = zeros.map(({ residentGrowthBytes, arenaBytes }) => ({
    ours: residentGrowthBytes,
    predicted: arenaBytes,
  }));
  const allocations = Math.max(...zeros.map((rank) => rank.allocations ?? NaN));
  return [
    closeness(`memory/last byte written/${name}`, written, 1),
    closeness(`memory/resident growth/${name}`, resident, 0.98),
    {
      name: `memory/allocations of the addon in ten steps/${name}`,
      unit: 'calls',
      ours: allocations,
      peers: {},
      ratio: allocations === 0 ? 1 : 0,
      target: 1,
    },
    {
      name: `memory/losses do not depend on what was in the arena/${name}`,
      unit: 'steps that differ',
      ours: zeros[0].losses.filter((loss, i) => !Object.is(loss, ones[0].losses[i])).length,
      peers: {},
      ratio: JSON.stringify(zeros.map((r) => r.losses)) === JSON.stringify(ones.map((r) => r.losses)) ? 1 : 0,
      target: 1,
    },
  ];
}

/** The rank whose measure is furthest from what was predicted of it: the ratio is one less the relative difference. */
function closeness(
  name: string,
  ranks: readonly { readonly ours: number; readonly predicted: number }[],
  target: number,
): Row {
  const far = ({ ours, predicted }: (typeof ranks)[number]) => Math.abs(ours - predicted) / predicted;
  const worst = ranks.reduce((a, b) => (far(b) > far(a) ? b : a));
  const { ours, predicted } = worst;
  return { name, unit: 'bytes', ours, peers: { predicted }, ratio: 1 - far(worst), target };
}

/** glibc gives large blocks back when they are freed, so that what is resident is what is held. */
const mallocSettings = { MALLOC_MMAP_THRESHOLD_: '131072' } as const;

/** Garbage is collected when asked for, and little of V8's heap stands by for new objects: its size is then what is resident of it. */
const v8Settings = ['--expose-gc', '--max-semi-space-size=2'] as const;

function runProgram(request: MemoryRequest, folder: string, preload: string | null): Promise<readonly MemoryReport[]> {
  const countsOf = (rank: number) => path.join(folder, `counts.${rank}`);
  const ranks = ranksOfSizes(request.sizes);
  for (let rank = 0; rank < ranks; rank++) rmSync(countsOf(rank), { force: true });
  return runRanks<MemoryReport>({
    program: 'memory/rank',
    args: [JSON.stringify(request)],
    ranks,
    threads: request.threads,
    options: v8Settings,
    env: (rank) => ({
      ...mallocSettings,
      ...(preload !== null && { LD_PRELOAD: preload, FLOTILLA_MALLOC_COUNTS: countsOf(rank) }),
    }),
  });
}
