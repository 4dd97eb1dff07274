/** What every bench writes: an array of rows, one a comparison. */
import { writeFileSync } from 'node:fs';

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peers: Readonly<Record<string, number>>;
  /** The first peer over ours, so that above 1 is better; where more is better, ours over theirs. Null where there is no peer. */
  readonly ratio: number | null;
  /** What the ratio should reach at least; null where nothing is asked of it. */
  readonly target: number | null;
  /** Peers that could not be had, and why. */
  readonly missing?: Readonly<Record<string, string>>;
  readonly [detail: string]: unknown;
}

export function printRow({ name, unit, ours, peers, ratio, target, missing = {} }: Row): void {
  const others = Object.entries(peers).map(([peer, value]) => `${peer} ${short(value)}`);
  const absent = Object.entries(missing).map(([peer, why]) => `${peer}: ${why}`);
  const verdict =
    ratio === null
      ? ''
      : `ratio ${ratio.toFixed(3)}${target === null ? '' : `, target ${target}${ratio < target ? ' MISSED' : ''}`}`;
  console.log([name, `ours ${short(ours)}`, ...others, unit, verdict, ...absent].filter(Boolean).join('  '));
}

export function writeRows(file: string | undefined, rows: readonly Row[]): void {
  if (file) writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const short = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(4));
