/**
 * Loss curves as one figure, whatever it is drawn with: which unit the losses are in, how far the axes reach, what is said beside it.
 */
import { lossText } from '../../ir/units.js';
import type { LossCurve, LossPoint } from '../../run/loss_curve.js';
import { printable } from '../columns.js';
import { linearTicks, logTicks, type Axis } from './ticks.js';

export const lossUnits = ['token', 'byte'] as const;
export type LossUnit = (typeof lossUnits)[number];

export interface FigureOptions {
  /** `token`: nats a token. `byte`: bits a byte of text, which any tokenizer's losses can be compared in. Absent: by the runs. */
  readonly unit?: LossUnit;
  /** Whether steps are spread by their logarithm. Default false. */
  readonly isLog?: boolean;
}

export interface Figure {
  readonly title: string;
  readonly unit: LossUnit;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** What a reader has to know to read it right. */
  readonly notes: readonly string[];
}

export interface Series {
  readonly name: string;
  /** Of the figure's colours. */
  readonly color: number;
  /** Of nats a token, what makes them the figure's unit. */
  readonly scale: number;
  /** Means over neighbouring steps, at most {@link mostPoints}. */
  readonly training: readonly Place[];
  /** The same with more neighbours. */
  readonly smooth: readonly Place[];
  readonly validation: readonly Place[];
  /** Steps without a finite loss, at most {@link mostPoints}. */
  readonly notFinite: readonly number[];
  readonly levels: readonly Level[];
}

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A loss that does not change with training. */
export interface Level {
  readonly name: 'unigram' | 'bigram';
  readonly y: number;
}

const mostPoints = 400;

/** A figure of one curve, or of several that share their axes. */
export function figureOf(curves: readonly LossCurve[], { unit: asked, isLog = false }: FigureOptions = {}): Figure {
  const tokenizers = new Set(curves.map(({ tokenizer }) => tokenizer));
  const knowsBytes = curves.every(({ bytesPerToken }) => bytesPerToken !== null);
  const unit =
    asked === 'byte' || (asked === undefined && tokenizers.size > 1) ? (knowsBytes ? 'byte' : 'token') : 'token';
  const series = curves.map((curve, color) => seriesOf(curve, color, unit));
  const notes: string[] = [];
  if (tokenizers.size > 1) {
    if (unit === 'token') notes.push('the tokenizers differ: losses a token cannot be compared');
    else if (asked === undefined) notes.push('the tokenizers differ: losses are told in bits a byte of text');
  }
  if (asked === 'byte' && !knowsBytes) {
    const unknown = curves.filter(({ bytesPerToken }) => bytesPerToken === null).map(({ name }) => printable(name));
    notes.push(`bytes a token are not known of ${unknown.join(', ')}: losses are told in nats a token`);
  }
  const losing = curves.filter(({ keepsText }) => !keepsText).map(({ name }) => printable(name));
  if (unit === 'byte' && losing.length > 0)
    notes.push(`the tokenizer of ${losing.join(', ')} loses text: its bits a byte do not compare with others`);
  const y = lossAxis(series, { unit, isLog });
  for (const [k, curve] of curves.entries()) {
    const of = curves.length > 1 ? `${printable(curve.name)}: ` : '';
    for (const note of [...notesOf(curve), ...aboveOf(curve, y, series[k])]) notes.push(`${of}${note}`);
  }
  const title = curves.length === 1 ? printable(curves[0].name) : `${curves.length} runs`;
  return { title, unit, x: stepAxis(series, isLog), y, series, notes };
}

function seriesOf(curve: LossCurve, color: number, unit: LossUnit): Series {
  const scale = unit === 'byte' ? 1 / (Math.LN2 * curve.bytesPerToken!) : 1;
  const scaled = (points: readonly LossPoint[]) => points.map(({ step, loss }) => ({ x: step, y: loss * scale }));
  const training = binned(scaled(curve.training));
  const levels = (['unigram', 'bigram'] as const).flatMap((name) => {
    const loss = curve[name];
    return loss === null ? [] : [{ name, y: loss * scale }];
  });
  return {
    name: printable(curve.name),
    color,
    scale,
    training,
    smooth: smoothed(training),
    validation: lastOfBins(scaled(curve.validation)),
    notFinite: curve.notFinite.filter((_, k, { length }) => k % Math.ceil(length / mostPoints) === 0),
    levels,
  };
}

/** A baseline with whose it is: null where it is that of all. */
export interface DrawnLevel extends Level {
  readonly of: Series | null;
}

/** Runs on the same text have the same baselines, which are drawn once. */
export function levelsOf({ series }: Figure): readonly DrawnLevel[] {
  return (['unigram', 'bigram'] as const).flatMap((name): readonly DrawnLevel[] => {
    const all = series.flatMap((one) =>
      one.levels.filter((level) => level.name === name).map((level) => ({ ...level, of: one })),
    );
    const isShared = all.every(({ y }) => lossText(y) === lossText(all[0].y));
    return isShared ? all.slice(0, 1).map((level) => ({ ...level, of: null })) : all;
  });
}

/** Neighbours together, until there are at most {@link mostPoints}. */
function binned(points: readonly Place[]): readonly Place[] {
  return bins(points).map((bin) => ({ x: mean(bin.map(({ x }) => x)), y: mean(bin.map(({ y }) => y)) }));
}

const lastOfBins = (points: readonly Place[]): readonly Place[] => bins(points).map((bin) => bin.at(-1)!);

function bins(points: readonly Place[]): readonly (readonly Place[])[] {
  const count = Math.min(mostPoints, points.length);
  const border = (k: number) => Math.floor((k * points.length) / count);
  return Array.from({ length: count }, (_, k) => points.slice(border(k), border(k + 1)));
}

/** Each point as the mean of those around it, a fiftieth of them on either side: at the beginning fewer, where losses fall fast. */
function smoothed(points: readonly Place[]): readonly Place[] {
  const reach = Math.floor(points.length / 50);
  return points.map(({ x }, k) => {
    const here = Math.min(reach, k);
    return { x, y: mean(points.slice(k - here, k + here + 1).map(({ y }) => y)) };
  });
}

function notesOf({ training, validation, notFinite, steps }: LossCurve): readonly string[] {
  const notes: string[] = [];
  const last = training.at(-1)?.step ?? validation.at(-1)?.step ?? null;
  if (last !== null && steps !== null && last < steps) notes.push(`at step ${last} of ${steps}`);
  if (notFinite.length > 0) {
    const which =
      notFinite.length === 1 ? `step ${notFinite[0]}` : `${notFinite.length} steps, first at step ${notFinite[0]}`;
    notes.push(`the training loss was not finite at ${which} (×)`);
  }
  return notes;
}

/** Which training losses the axis leaves out. */
function aboveOf({ training }: LossCurve, { max }: Axis, { training: drawn, scale }: Series): readonly string[] {
  if (drawn.every(({ y }) => y <= max)) return [];
  const above = training.filter(({ loss }) => loss * scale > max);
  const most = lossText(scale * above.reduce((most, { loss }) => Math.max(most, loss), 0));
  const within = training.findIndex(({ loss }) => loss * scale <= max);
  const areFirst = within < 0 || within === above.length;
  if (above.length === 1) return [`${areFirst ? 'the first' : 'a'} training loss, ${most}, lies above the picture`];
  return [`${areFirst ? 'the first ' : ''}${above.length} training losses, up to ${most}, lie above the picture`];
}

function stepAxis(series: readonly Series[], isLog: boolean): Axis {
  const steps = series.flatMap(({ training, validation, notFinite }) => [
    ...[...training, ...validation].map(({ x }) => x),
    ...notFinite,
  ]);
  const max = Math.max(1, ...steps);
  // A logarithm has no zero.
  const min = isLog ? Math.max(1, Math.min(max, ...steps)) : 0;
  const ticks = isLog ? logTicks(min, max, 9) : linearTicks(min, max, Math.min(9, max));
  return { label: isLog ? 'step (logarithmic)' : 'step', min, max, isLog, ticks };
}

/**
 * From the lowest loss to the highest that matters: the baselines, validations, and training but for its first steps, whose losses say
 * how many words there are and would press the rest flat: the highest twentieth of training is cut off. Spread by their logarithm, steps
 * have room for all.
 */
function lossAxis(series: readonly Series[], { unit, isLog }: { unit: LossUnit; isLog: boolean }): Axis {
  const smooth = series.flatMap((one) => one.smooth.map(({ y }) => y));
  const levels = series.flatMap((one) => one.levels.map(({ y }) => y));
  const validation = series.flatMap((one) => one.validation.map(({ y }) => y));
  const lows = [...smooth, ...validation, ...levels];
  const high = smooth.toSorted((a, b) => a - b)[Math.floor((isLog ? 1 : 0.95) * (smooth.length - 1))] ?? -Infinity;
  const label = unit === 'byte' ? 'loss, bits a byte' : 'loss, nats a token';
  if (lows.length === 0) return { label, min: 0, max: 1, isLog: false, ticks: [] };
  const [bottom, top] = [Math.min(...lows), Math.max(high, ...validation, ...levels)];
  const margin = Math.max(0.05 * (top - bottom), 0.01 * Math.abs(top), 1e-3);
  const [min, max] = [Math.max(0, bottom - margin), top + margin];
  return { label, min, max, isLog: false, ticks: linearTicks(min, max, 7) };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
