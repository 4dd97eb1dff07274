/** `metrics.jsonl`, read back. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';

/** One line of metrics: names in snake case. */
export type MetricsRow = Readonly<Record<string, unknown>> & { readonly kind: string };

/** Reads a metrics file; lines that are not whole are left out. */
export function readMetrics(path: string): readonly MetricsRow[] {
  return rowsOf(readFileSync(path, 'utf8'));
}

/** Bytes that are read first of the end of a file. */
const firstPart = 1 << 16;

/**
 * The last lines of a metrics file: so many that they reach back to a step's line, and to a validation's of that step or one before it;
 * all where there is none. None where there is no file.
 */
export function metricsUntil(path: string, step: number): readonly MetricsRow[] {
  if (!existsSync(path)) return [];
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    for (let bytes = firstPart; ; bytes *= 4) {
      const text = Buffer.alloc(Math.min(size, bytes));
      readSync(file, text, 0, text.length, size - text.length);
      const rows = rowsOf(text.toString('utf8'));
      const reaches = (kind: string) =>
        rows.some((row) => row.kind === kind && typeof row.step === 'number' && row.step <= step);
      if (text.length === size || (reaches('step') && reaches('validation'))) return rows;
    }
  } finally {
    closeSync(file);
  }
}

/** A line; null where it is none of metrics. */
export function parseMetricsLine(line: string): MetricsRow | null {
  try {
    const row: unknown = JSON.parse(line);
    return typeof row === 'object' && row !== null && 'kind' in row && typeof row.kind === 'string'
      ? (row as MetricsRow)
      : null;
  } catch {
    return null;
  }
}

const rowsOf = (text: string): readonly MetricsRow[] =>
  text.split('\n').flatMap((line) => parseMetricsLine(line) ?? []);
