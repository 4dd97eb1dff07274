/**
 * `npm run bench -- step`: a training step of a GPT, ours and PyTorch's, side by side.
 *
 * Both sides are long-lived processes that take turns: a few steps each, several rounds. The ratio is the median over rounds of theirs to
 * ours, so that what disturbs the machine for a while disturbs both. Peak memory is on the CPU the most that was resident in all
 * processes of a side, set-up and compilation included; on a GPU the bytes that a side's allocator has taken from the device, where
 * PyTorch's are counted from after its first steps on, without what compiling tried out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { DeviceType } from '../src/kernels/device.js';
import { matmulPeak } from '../src/train/matmul_peak.js';
import { prepareContest, randomBatch, writeParameters, type ContestantConfig } from './contestant/config.js';
import { benchModel, type BenchModelName } from './contestant/models.js';
import { peersOf, type Peer } from './contestant/peers.js';
import { Contestant, type PyTorchAbout } from './contestant/process.js';
import { datasheetBf16Peak } from './flops.js';
import { gpuName } from './gpu/gpu_name.js';
import { median, type Row } from './rows.js';
import { memoryRow, timeRow, tokensRow, utilisationRow, type Peaks, type StepCase, type Turns } from './step_rows.js';

export interface StepOptions {
  readonly device: DeviceType;
  readonly model: BenchModelName;
  readonly rounds: number;
  /** Steps a side takes in one turn. */
  readonly block: number;
  /** Cases whose name contains this. */
  readonly only?: string;
  readonly compile: boolean;
  /** Longest that torch.compile may take for its first steps. */
  readonly compileSeconds: number;
  readonly profile: boolean;
  /** Cores to share out among ranks. */
  readonly threads: number;
  /** Seconds that are left: no peer is waited for longer, and no further round begins after them. */
  readonly secondsLeft?: () => number;
  /**
   * Whether all turns are taken anew, and all rows written, with each further peer: what is cut off then loses only later peers.
   * Otherwise all peers take turns together.
   */
  readonly peerByPeer?: boolean;
  /** Takes each row as soon as it is known. */
  readonly emit: (row: Row) => void;
}

interface Case {
  readonly name: string;
  readonly compute: 'bf16' | 'f32';
  readonly ranks: number;
}

/** One GPU has room for one rank. */
const cases: Readonly<Record<DeviceType, readonly Case[]>> = {
  cpu: [
    { name: 'bf16, one process', compute: 'bf16', ranks: 1 },
    { name: 'bf16, two ranks', compute: 'bf16', ranks: 2 },
    { name: 'f32, one process', compute: 'f32', ranks: 1 },
    { name: 'f32, two ranks', compute: 'f32', ranks: 2 },
  ],
  cuda: [{ name: 'bf16, one process', compute: 'bf16', ranks: 1 }],
};

/** A CUDA graph is recorded in the second and replayed from the third on. */
const warmUpSteps = 3;

/** Kept for turns, of the time that is left. */
const reservedSeconds = 10;

/** For the demo's model on the CPU, whose figures are known. */
const demoTargets = { time: 0.95, memory: 1 } as const;

export async function runStep(options: StepOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const one of cases[options.device].filter(({ name }) => name.includes(options.only ?? ''))) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
    try {
      for await (const row of runCase(one, options, folder)) {
        options.emit(row);
        rows.push(row);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

async function* runCase(one: Case, options: StepOptions, folder: string): AsyncGenerator<Row> {
  const { ranks } = one;
  const secondsLeft = options.secondsLeft ?? (() => Infinity);
  const config = contestOf(one, options, folder);
  const peaks = await peaksOf(config, options.threads);
  const ours = await Contestant.ours(config, { data_parallel_size: ranks }, ranks, folder);
  const contestants = [ours];
  try {
    const first = ours.run(warmUpSteps, secondsBefore(secondsLeft, 600));
    if (options.profile) {
      await first;
      return void (await ours.profile(5));
    }
    // While ours makes its own: for a large model each takes a while.
    writeParameters(config);
    const losses: Record<string, readonly number[]> = { ours: (await first).losses };
    const missing: Record<string, string> = {};
    let pytorch: PyTorchAbout | null = null;
    let turns: readonly Turns[] = [];
    for (const group of groupsOf(peersOf(config, { ...options, ranks, folder }), options.peerByPeer ?? false)) {
      for (const { name, start, seconds } of group) {
        if (secondsLeft() <= reservedSeconds) {
          missing[name] = 'no time was left for it';
          continue;
        }
        const peer = await start();
        try {
          losses[name] = (await peer.run(warmUpSteps, secondsBefore(secondsLeft, seconds))).losses;
          pytorch ??= await peer.about();
          contestants.push(peer);
        } catch (error) {
          missing[name] = error instanceof Error ? error.message : String(error);
          await peer.stop();
        }
      }
      // A further peer that could not be had changes nothing but what is said of it.
      if (turns.length < contestants.length) turns = await takeTurns(contestants, options, secondsLeft);
      const { model, sequences } = config;
      const setup = { ...setupOf(config, options), pytorch };
      const stepCase: StepCase = {
        name: one.name,
        ...{ model, sequences, setup },
        losses: { ...losses },
        missing: { ...missing },
        targets: targetsOf(options),
      };
      yield timeRow(stepCase, turns);
      yield tokensRow(stepCase, turns);
      yield utilisationRow(stepCase, turns, peaks);
      yield memoryRow(stepCase, await memoryOf(contestants));
    }
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

function contestOf({ compute, ranks }: Case, { device, model, threads }: StepOptions, folder: string) {
  const { sizes, batch } = benchModel(model);
  return prepareContest({
    folder,
    model: sizes,
    device: device === 'cpu' ? 'cpu' : 'cuda:0',
    compute,
    steps: 1000,
    ...{ sequences: batch.sequences, microbatch: batch.microbatch },
    threads: Math.max(1, Math.floor(threads / ranks)),
    batches: Array.from({ length: 4 }, (_, seed) => randomBatch(sizes.vocab, batch.sequences, sizes.context, seed + 1)),
    validation: null,
  });
}

async function peaksOf({ device, compute }: ContestantConfig, threads: number): Promise<Peaks> {
  const measured = await matmulPeak({ device, dtype: compute, threads });
  return { measured, datasheet: device === 'cpu' || compute !== 'bf16' ? null : datasheetBf16Peak(await gpuName()) };
}

const setupOf = (config: ContestantConfig, { device, model }: StepOptions): Readonly<Record<string, unknown>> => ({
  device,
  model,
  ...{ sequences: config.sequences, microbatch: config.microbatch, context: config.model.context },
  threads: config.threads,
});

const targetsOf = ({ device, model }: StepOptions) => (device === 'cpu' && model === 'demo' ? demoTargets : null);

const groupsOf = (peers: readonly Peer[], each: boolean): readonly (readonly Peer[])[] =>
  each ? peers.map((peer) => [peer]) : [peers];

const secondsBefore = (secondsLeft: () => number, seconds: number): number =>
  Math.max(1, Math.min(seconds, secondsLeft() - reservedSeconds));

async function takeTurns(
  contestants: readonly Contestant[],
  { rounds, block }: StepOptions,
  secondsLeft: () => number,
): Promise<readonly Turns[]> {
  const turns = contestants.map(({ name }) => ({ name, seconds: [] as number[], cpuSeconds: [] as number[] }));
  for (let round = 0; round < rounds && (round === 0 || secondsLeft() > 0); round++) {
    for (const [i, contestant] of contestants.entries()) {
      const answer = await contestant.run(block);
      turns[i].seconds.push(median(answer.seconds));
      turns[i].cpuSeconds.push(median(answer.cpu_seconds));
    }
  }
  return turns;
}

const memoryOf = async (contestants: readonly Contestant[]) =>
  Object.fromEntries(await Promise.all(contestants.map(async (one) => [one.name, await one.memory()] as const)));
