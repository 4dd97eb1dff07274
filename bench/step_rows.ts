/** The rows of `bench -- step`, from what was measured. */
import type { ModelSizes } from './contestant/models.js';
import type { MemoryAnswer } from './contestant/process.js';
import { modelFlopsFormula, modelFlopsPerToken } from './flops.js';
import { median, type Row } from './rows.js';

/** A side's seconds a step: the median of each turn it took. */
export interface Turns {
  readonly name: string;
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
}

export interface StepCase {
  /** As it stands in the rows' names. */
  readonly name: string;
  readonly model: ModelSizes;
  /** In a step, over all ranks. */
  readonly sequences: number;
  /** What was compared, as rows state it. */
  readonly setup: Readonly<Record<string, unknown>>;
  /** Of each side's first steps, which start from the same values on the same batches. */
  readonly losses: Readonly<Record<string, readonly number[]>>;
  /** Peers that could not be had, and why. */
  readonly missing: Readonly<Record<string, string>>;
  /** Null where nothing is asked of a ratio. */
  readonly targets: { readonly time: number; readonly memory: number } | null;
}

export interface Peaks {
  /** Operations a second of a matrix product in the step's type by our own kernel: all cores, or one GPU. */
  readonly measured: number;
  /** Null where there is none to go by. */
  readonly datasheet: number | null;
}

/** Ours first; the ratios are medians over the turns, each with its neighbour in time. */
export function timeRow(one: StepCase, [ours, ...peers]: readonly Turns[]): Row {
  const over = (of: 'seconds' | 'cpuSeconds') => byName(peers, (peer) => medianRatio(peer[of], ours[of]));
  const ratios = over('seconds');
  const all = [ours, ...peers];
  return {
    ...base(one, 'time', 's', one.targets?.time ?? null),
    ours: median(ours.seconds),
    peers: byName(peers, ({ seconds }) => median(seconds)),
    ratio: ratios[peers[0]?.name] ?? null,
    ratios,
    cpu_ratios: over('cpuSeconds'),
    cpu_seconds: byName(all, (side) => median(side.cpuSeconds)),
    fastest: byName(all, (side) => Math.min(...side.seconds)),
    first_losses: one.losses,
    loss_distance: lossDistance(one.losses),
  };
}

/** The largest relative distance of a peer's first losses from ours; null without peers. */
export function lossDistance({ ours, ...peers }: StepCase['losses']): number | null {
  const distances = Object.values(peers).flatMap((losses) =>
    losses.map((loss, i) => Math.abs(loss - ours[i]) / Math.abs(ours[i])),
  );
  return distances.length ? Math.max(...distances) : null;
}

export function tokensRow(one: StepCase, [ours, ...peers]: readonly Turns[]): Row {
  const rate = ({ seconds }: Turns) => (one.sequences * one.model.context) / median(seconds);
  return moreIsBetter({ ...base(one, 'throughput', 'tokens/s', null), ...sides(ours, peers, rate) });
}

/** Model FLOP/s utilisation: what the model needs, over what the device has been seen to do. */
export function utilisationRow(one: StepCase, [ours, ...peers]: readonly Turns[], peaks: Peaks): Row {
  const flops = modelFlopsPerToken(one.model) * one.sequences * one.model.context;
  const of = (peak: number) => sides(ours, peers, ({ seconds }) => flops / median(seconds) / peak);
  return moreIsBetter({
    ...base(one, 'MFU', 'of the measured peak', null),
    ...of(peaks.measured),
    formula: modelFlopsFormula,
    step_flops: flops,
    measured_peak_flops: peaks.measured,
    ...(peaks.datasheet !== null && {
      datasheet_peak_flops: peaks.datasheet,
      of_datasheet_peak: of(peaks.datasheet),
    }),
  });
}

/** Sums over the ranks of a side. */
export function memoryRow(one: StepCase, answers: Readonly<Record<string, readonly MemoryAnswer[]>>): Row {
  const total = (of: (answer: MemoryAnswer) => number | null | undefined) =>
    Object.fromEntries(
      Object.entries(answers).flatMap(([name, ranks]) => {
        const numbers = ranks.map(of).filter((bytes) => bytes !== null && bytes !== undefined);
        return numbers.length ? [[name, numbers.reduce((sum, bytes) => sum + bytes, 0)]] : [];
      }),
    );
  const { ours, ...peers } = total(({ peak_bytes }) => peak_bytes);
  const [first] = Object.values(peers);
  return {
    ...base(one, 'peak memory', 'bytes', one.targets?.memory ?? null),
    ours,
    peers,
    ratio: first === undefined ? null : first / ours,
    allocated_bytes: total(({ allocated_bytes }) => allocated_bytes),
    arena_bytes: total(({ arena_bytes }) => arena_bytes).ours,
  };
}

const base = ({ name, setup, missing }: StepCase, what: string, unit: string, target: number | null) => ({
  name: `step/${name}/${what}`,
  unit,
  target,
  missing,
  setup,
});

const sides = (ours: Turns, peers: readonly Turns[], of: (turns: Turns) => number) => ({
  ours: of(ours),
  peers: byName(peers, of),
});

function moreIsBetter<R extends Pick<Row, 'ours' | 'peers'>>(row: R): R & { readonly ratio: number | null } {
  const [first] = Object.values(row.peers);
  return { ...row, ratio: first === undefined ? null : row.ours / first };
}

const byName = (all: readonly Turns[], of: (turns: Turns) => number): Readonly<Record<string, number>> =>
  Object.fromEntries(all.map((turns) => [turns.name, of(turns)]));

const medianRatio = (theirs: readonly number[], ours: readonly number[]): number =>
  median(theirs.map((time, i) => time / ours[i]));
