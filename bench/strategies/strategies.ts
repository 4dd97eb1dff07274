/**
 * `npm run bench -- strategies`: one small model trained by each way to share a step, on real processes of this machine.
 *
 * Each plan is told twice. Its program states bytes, synchronisations, shares of the devices' time; the run is counted without it: what the
 * engine traced, and, below the engine, what left each process through its sockets.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { bytesText, counted } from '../../src/ir/units.js';
import { buildPreload, runRanks } from '../rank_runs.js';
import type { Row } from '../rows.js';
import { exchanges, type Exchanged, type ExchangedByKind, type Shares } from './account.js';
import { strategies, type Strategy } from './cases.js';
import type { RankMeasure } from './rank.js';
import { stateStrategy, type StrategyStatement } from './statement.js';

export interface StrategiesOptions {
  /** Strategies whose name contains this. */
  readonly only?: string;
  /** Traced steps of each. */
  readonly steps: number;
  /** Cores to share out among ranks. */
  readonly threads: number;
  readonly emit: (row: StrategyRow) => void;
}

/** Its figure is the step's time, its ratio how close the run's countings are to what the program states: 1 where they are equal. */
export interface StrategyRow extends Row {
  readonly setup: BenchSetup;
  readonly stated: Omit<StrategyStatement, 'clocked'>;
  readonly measured: StrategyMeasure;
}

export interface BenchSetup {
  readonly date: string;
  readonly machine: string;
  readonly cores: number;
  /** Of the last minute, before the first process was started. */
  readonly load: number;
}

export interface StrategyMeasure {
  /** Of the rank that sends most. */
  readonly exchanged: ExchangedByKind;
  readonly sentBytes: number;
  /** Of the rank that sends most, with what the library puts before each message. */
  readonly socketBytes: number;
  readonly synchronisations: number;
  /** Of all ranks. */
  readonly shares: Shares;
  /** The largest relative difference of a step's loss to that on one device. */
  readonly lossDistance: number | null;
}

/** Gloo says before each buffer how long it is, and that it can come. */
const closeEnough = 0.95;

export async function runStrategies({ only = '', steps, threads, emit }: StrategiesOptions): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bench-'));
  try {
    const preload = buildPreload('count_sent', folder);
    const setup = setupNow(threads);
    let serial: readonly number[] | null = null;
    for (const strategy of strategies.filter(({ name }) => name.includes(only))) {
      const { clocked: _, ...stated } = stateStrategy(strategy);
      const share = Math.max(1, Math.floor(threads / stated.ranks));
      const ranks = await runRanks<RankMeasure>({
        program: 'strategies/rank',
        args: [strategy.name, String(share), String(steps)],
        ranks: stated.ranks,
        threads: share,
        env: (rank) => ({ LD_PRELOAD: preload, FLOTILLA_SENT_COUNTS: path.join(folder, `sent.${rank}`) }),
      });
      const losses = ranks.find((rank) => !rank.losses.includes(NaN))!.losses;
      if (stated.ranks === 1) serial = losses;
      const row = rowOf(strategy, setup, stated, ranks, serial && distance(losses, serial));
      emit(row);
      rows.push(row);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

function rowOf(
  { name }: Strategy,
  setup: BenchSetup,
  stated: StrategyRow['stated'],
  ranks: readonly RankMeasure[],
  lossDistance: number | null,
): StrategyRow {
  const seconds = Math.max(...ranks.map((rank) => rank.seconds));
  const sent = ranks.map(({ exchanged }) => exchanges.reduce((sum, kind) => sum + exchanged[kind].bytes, 0));
  const measured: StrategyMeasure = {
    exchanged: ranks[sent.indexOf(Math.max(...sent))].exchanged,
    sentBytes: Math.max(...sent),
    socketBytes: Math.max(...ranks.map(({ socketBytes }) => socketBytes)),
    synchronisations: Math.max(...ranks.map(({ synchronisations }) => synchronisations)),
    shares: meanShares(ranks, seconds),
    lossDistance,
  };
  const counts = [
    closeness(stated.sentBytes, measured.sentBytes),
    closeness(stated.sentBytes, measured.socketBytes),
    closeness(stated.synchronisations, measured.synchronisations),
  ];
  return {
    name: `strategies/${name}`,
    unit: 's',
    ours: seconds,
    peers: {},
    ratio: Math.min(...counts),
    target: closeEnough,
    setup,
    stated,
    measured,
  };
}

const setupNow = (cores: number): BenchSetup => ({
  date: new Date().toISOString().slice(0, 10),
  machine: os.cpus()[0].model,
  cores,
  load: Number(os.loadavg()[0].toFixed(1)),
});

/** A rank that is done before the last one has nothing to do until then. */
function meanShares(ranks: readonly RankMeasure[], seconds: number): Shares {
  const mean = (of: (rank: RankMeasure) => number) => ranks.reduce((sum, rank) => sum + of(rank), 0) / ranks.length;
  return {
    utilisation: mean((rank) => (rank.shares.utilisation * rank.seconds) / seconds),
    exposed: mean((rank) => (rank.shares.exposed * rank.seconds) / seconds),
    bubble: mean((rank) => (rank.shares.bubble * rank.seconds + seconds - rank.seconds) / seconds),
  };
}

const closeness = (a: number, b: number): number => (a === b ? 1 : Math.min(a, b) / Math.max(a, b));

const distance = (losses: readonly number[], serial: readonly number[]): number =>
  Math.max(...losses.map((loss, i) => Math.abs(loss / serial[i] - 1)));

export function printStrategyRow({ name, ours, stated, measured, ratio, target }: StrategyRow): void {
  const { parameters, gathered, gradients, optimizer, activations, arena } = stated.memory;
  const held = Object.entries({ parameters, gathered, gradients, optimizer, activations, arena });
  const kinds = exchanges.filter((kind) => stated.exchanged[kind].calls + measured.exchanged[kind].calls > 0);
  const beside = (of: (shares: Shares) => number) => `${percent(of(measured.shares))} (${percent(of(stated.shares))})`;
  const of = ({ calls, bytes }: Exchanged) => `${bytesText(bytes)} in ${calls}`;
  console.log(
    [
      `${name}: ${counted(stated.ranks, 'device')}, ${(1e3 * ours).toFixed(1)} ms a step; measured, and in brackets as the program states it`,
      `  bytes a device    ${held.map(([kind, bytes]) => `${kind} ${bytesText(bytes)}`).join(', ')}`,
      `  sent a step       ${bytesText(measured.sentBytes)} (${bytesText(stated.sentBytes)}); through sockets ${bytesText(measured.socketBytes)}`,
      ...kinds.map((kind) => `    ${kind.padEnd(15)} ${of(measured.exchanged[kind])} (${of(stated.exchanged[kind])})`),
      `  synchronisations  ${measured.synchronisations} (${stated.synchronisations})`,
      `  of the time       utilisation ${beside((s) => s.utilisation)}, bubble ${beside((s) => s.bubble)}, exposed ${beside((s) => s.exposed)}`,
      ...(measured.lossDistance === null
        ? []
        : [`  losses            within ${measured.lossDistance.toExponential(1)} of one device's`]),
      ...(ratio! < target!
        ? [`  MISSED            the run's countings differ from the program's: ${ratio!.toFixed(3)}`]
        : []),
    ].join('\n'),
  );
}

const percent = (share: number): string => `${(100 * Math.max(0, share)).toFixed(0)}%`;
