/**
 * `npm run bench -- parallel`: two ranks that share a step by each strategy, ours and PyTorch's.
 *
 * First each side shows that it trains as one process does: losses and gradient norms of its first steps against those of plain PyTorch,
 * from the same values on the same batches; a peer that does not is not compared. Then both sides, long-lived, take turns step by step. A
 * ratio is the median over turns of theirs to ours; its interval says how sure it is on a machine that does other work too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { prepareContest, randomBatch, writeParameters, type ContestantConfig } from '../contestant/config.js';
import { benchModel, type BenchModelName } from '../contestant/models.js';
import { Contestant, type RunAnswer } from '../contestant/process.js';
import { median, type Row } from '../rows.js';
import { parallelCases, parallelRanks, type ParallelCase } from './cases.js';
import { distanceOf, mostDistance, requireNear, type Distance } from './distance.js';
import { medianInterval, type MedianInterval } from './interval.js';

const computeTypes = ['f32', 'bf16'] as const;
type Compute = (typeof computeTypes)[number];

export interface ParallelOptions {
  readonly model: BenchModelName;
  /** Turns of each side. */
  readonly rounds: number;
  /** Cases whose name, with its type in front, contains this. */
  readonly only?: string;
  /** Cores to share out among ranks. */
  readonly threads: number;
  readonly profile: boolean;
  readonly emit: (row: ParallelRow) => void;
}

export interface ParallelRow extends Row {
  readonly interval: MedianInterval | null;
  /** Of processor time, which other work on the machine changes less; of rank 0. */
  readonly cpu_ratio: number | null;
  /** Largest relative distances from one process, of ours and of the peer. */
  readonly distances: Readonly<Record<string, Distance>>;
  readonly load: number;
}

/** Steps that show a side to train as one process does; of what follows they are the warm-up. */
const shownSteps = 8;

const target = 0.95;

export async function runParallel(options: ParallelOptions): Promise<readonly Row[]> {
  const { only = '', emit } = options;
  const rows: Row[] = [];
  for (const compute of computeTypes) {
    const asked = parallelCases.filter(({ name }) => `${compute}, ${name}`.includes(only));
    if (asked.length === 0) continue;
    const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
    try {
      const config = contestOf(compute, options, folder);
      writeParameters(config);
      const serial = await serialRun(config, folder);
      for (const one of asked) {
        const row = await runCase(one, config, serial, options, folder);
        emit(row);
        rows.push(row);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

function contestOf(compute: Compute, { model, threads }: ParallelOptions, folder: string): ContestantConfig {
  const { sizes, batch } = benchModel(model);
  const { sequences } = batch;
  return prepareContest({
    folder,
    model: sizes,
    device: 'cpu',
    compute,
    // The rate is soon high enough for a wrong gradient to show.
    steps: 100,
    ...{ sequences, microbatch: sequences },
    threads: Math.max(1, Math.floor(threads / parallelRanks)),
    batches: Array.from({ length: 4 }, (_, seed) => randomBatch(sizes.vocab, sequences, sizes.context, seed + 1)),
    validation: null,
  });
}

async function serialRun(config: ContestantConfig, folder: string): Promise<RunAnswer> {
  const contestant = await Contestant.pytorch('one process', config, 1, folder);
  try {
    return await contestant.run(shownSteps);
  } finally {
    await contestant.stop();
  }
}

async function runCase(
  { name, peer: peerName, strategy, sizes, microbatches }: ParallelCase,
  given: ContestantConfig,
  serial: RunAnswer,
  { rounds, profile, model }: ParallelOptions,
  folder: string,
): Promise<ParallelRow> {
  const load = os.loadavg()[0];
  const config = { ...given, strategy, microbatch: given.sequences / microbatches };
  const ours = await Contestant.ours(config, sizes, parallelRanks, folder);
  const sides = [ours];
  const distances: Record<string, Distance> = {};
  const missing: Record<string, string> = {};
  try {
    distances.ours = distanceOf(await ours.run(shownSteps), serial);
    requireNear('ours', distances.ours, mostDistance[given.compute]);
    if (profile) await ours.profile(5);
    try {
      const peer = await Contestant.pytorch(peerName, config, parallelRanks, folder);
      sides.push(peer);
      distances[peerName] = distanceOf(await peer.run(shownSteps), serial);
      requireNear(peerName, distances[peerName], mostDistance[given.compute]);
    } catch (error) {
      missing[peerName] = error instanceof Error ? error.message : String(error);
    }
    const turns = await takeTurns(sides, missing[peerName] === undefined ? rounds : 0);
    const ratio =
      turns.length === 0 ? null : medianInterval(turns.map(([own, theirs]) => theirs.seconds / own.seconds));
    const seconds = (side: number) => median(turns.map((turn) => turn[side].seconds));
    return {
      name: `parallel/${given.compute}, ${name}`,
      unit: 's',
      ours: turns.length === 0 ? NaN : seconds(0),
      peers: turns.length === 0 ? {} : { [peerName]: seconds(1) },
      ratio: ratio && ratio.median,
      target,
      interval: ratio,
      cpu_ratio: turns.length === 0 ? null : median(turns.map(([own, theirs]) => theirs.cpuSeconds / own.cpuSeconds)),
      distances,
      load,
      missing,
      setup: { model, sequences: given.sequences, microbatches, threads: given.threads, rounds },
    };
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

interface Turn {
  /** Until the last rank was done. */
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** A step each, who begins changing from turn to turn; in the order of the sides. */
async function takeTurns(sides: readonly Contestant[], rounds: number): Promise<readonly (readonly Turn[])[]> {
  const turns: Turn[][] = [];
  for (let round = 0; round < rounds; round++) {
    const turn: Turn[] = [];
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const answers = await sides[i].runAll(1);
      turn[i] = {
        seconds: Math.max(...answers.map(({ seconds }) => seconds[0])),
        cpuSeconds: answers[0].cpu_seconds[0],
      };
    }
    turns.push(turn);
  }
  return turns;
}

export function printParallelRow({
  name,
  ours,
  peers,
  interval,
  cpu_ratio,
  distances,
  load,
  missing = {},
}: ParallelRow) {
  const near = Object.entries(distances).map(
    ([side, { losses, norms }]) => `${side} ${losses.toExponential(0)} (norms ${norms.toExponential(0)})`,
  );
  const measured = Object.entries(peers).map(([peer, seconds]) => `${peer} ${seconds.toFixed(3)} s`);
  const verdict = interval
    ? [
        `ours ${ours.toFixed(3)} s`,
        ...measured,
        `ratio ${interval.median.toFixed(3)} [${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]${interval.median < target ? ' MISSED' : ''}`,
        `of processor time ${cpu_ratio!.toFixed(3)}`,
      ]
    : Object.entries(missing).map(([peer, why]) => `${peer}: ${why}`);
  console.log([name, ...verdict, `from one process: ${near.join(', ')}`, `load ${load.toFixed(1)}`].join('  '));
}
