/**
 * `npm run bench -- step`: a training step of the demo's model, ours and PyTorch's, side by side.
 *
 * Both sides are long-lived processes that take turns: a few steps each, several rounds. The ratio is the median over rounds of theirs to
 * ours, so that what disturbs the machine for a while disturbs both. Peak memory is the most that was resident in all processes of a
 * side, set-up and compilation included.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { prepareContest, randomBatch, demoBatch, demoModel, type ContestantConfig } from './contestant/config.js';
import { Contestant } from './contestant/process.js';
import { median, printRow, type Row } from './rows.js';

export interface StepOptions {
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
}

interface Case {
  readonly name: string;
  readonly compute: 'bf16' | 'f32';
  readonly ranks: number;
}

const cases: readonly Case[] = [
  { name: 'bf16, one process', compute: 'bf16', ranks: 1 },
  { name: 'bf16, two ranks', compute: 'bf16', ranks: 2 },
  { name: 'f32, one process', compute: 'f32', ranks: 1 },
  { name: 'f32, two ranks', compute: 'f32', ranks: 2 },
];

const { sequences, microbatch } = demoBatch;

export async function runStep(options: StepOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const one of cases.filter(({ name }) => name.includes(options.only ?? ''))) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
    try {
      for (const row of await runCase(one, options, folder)) {
        printRow(row);
        rows.push(row);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

async function runCase(one: Case, options: StepOptions, folder: string): Promise<readonly Row[]> {
  const { compute, ranks } = one;
  const { vocab, context } = demoModel;
  const config = prepareContest({
    folder,
    compute,
    steps: 1000,
    sequences,
    microbatch,
    threads: Math.max(1, Math.floor(options.threads / ranks)),
    batches: Array.from({ length: 4 }, (_, seed) => randomBatch(vocab, sequences, context, seed + 1)),
    validation: null,
  });
  const ours = await Contestant.ours(config, { data_parallel_size: ranks }, ranks, folder);
  const contestants = [ours];
  const missing: Record<string, string> = {};
  try {
    await ours.run(2);
    if (options.profile) {
      await ours.profile(5);
      return [];
    }
    for (const { name, start, seconds } of peersOf(config, ranks, options, folder)) {
      const peer = await start();
      try {
        await peer.run(2, seconds);
        contestants.push(peer);
      } catch (error) {
        missing[name] = error instanceof Error ? error.message : String(error);
        await peer.stop();
      }
    }
    const turns = await takeTurns(contestants, options);
    return [timeRow(one, turns, missing), memoryRow(one, await peaks(contestants), missing)];
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

interface Peer {
  readonly name: string;
  readonly start: () => Promise<Contestant>;
  /** For its first steps. */
  readonly seconds: number;
}

function peersOf(config: ContestantConfig, ranks: number, options: StepOptions, folder: string): readonly Peer[] {
  const peer = (
    name: string,
    own: ContestantConfig,
    seconds: number,
    env?: Readonly<Record<string, string>>,
  ): Peer => ({
    name,
    start: () => Contestant.pytorch(name, own, ranks, folder, env),
    seconds,
  });
  if (ranks > 1) return [peer('PyTorch DDP', config, 300)];
  const compiled = peer('torch.compile', { ...config, compile: true }, options.compileSeconds);
  return [
    peer('PyTorch eager', config, 300),
    peer('PyTorch eager, default malloc', config, 300, {}),
    ...(options.compile ? [compiled] : []),
  ];
}

/** Seconds a step by contestant: the median of each turn. */
type Turns = readonly {
  readonly name: string;
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
}[];

async function takeTurns(contestants: readonly Contestant[], { rounds, block }: StepOptions): Promise<Turns> {
  const turns = contestants.map(({ name }) => ({ name, seconds: [] as number[], cpuSeconds: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      const answer = await contestant.run(block);
      turns[i].seconds.push(median(answer.seconds));
      turns[i].cpuSeconds.push(median(answer.cpu_seconds));
    }
  }
  return turns;
}

function timeRow({ name }: Case, [ours, ...peers]: Turns, missing: Row['missing']): Row {
  const over = (of: 'seconds' | 'cpuSeconds') =>
    Object.fromEntries(peers.map((peer) => [peer.name, median(peer[of].map((time, i) => time / ours[of][i]))]));
  const ratios = over('seconds');
  return {
    name: `step/${name}/time`,
    unit: 's',
    ours: median(ours.seconds),
    peers: Object.fromEntries(peers.map((peer) => [peer.name, median(peer.seconds)])),
    ratio: ratios[peers[0]?.name] ?? null,
    target: 0.95,
    missing,
    ratios,
    cpu_ratios: over('cpuSeconds'),
    cpu_seconds: Object.fromEntries([ours, ...peers].map((side) => [side.name, median(side.cpuSeconds)])),
    fastest: Object.fromEntries([ours, ...peers].map((side) => [side.name, Math.min(...side.seconds)])),
    tokens_per_second: (sequences * demoModel.context) / median(ours.seconds),
  };
}

async function peaks(contestants: readonly Contestant[]): Promise<Readonly<Record<string, number>>> {
  return Object.fromEntries(await Promise.all(contestants.map(async (one) => [one.name, await one.peakBytes()])));
}

function memoryRow({ name }: Case, { ours, ...peers }: Readonly<Record<string, number>>, missing: Row['missing']): Row {
  const [first] = Object.values(peers);
  const ratio = first === undefined ? null : first / ours;
  return { name: `step/${name}/peak memory`, unit: 'bytes', ours, peers, ratio, target: 1, missing };
}
