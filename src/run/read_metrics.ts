/** `metrics.jsonl`, read back. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';

/** One line of metrics: names in snake case. */
export type MetricsRow = Readonly<Record<string, unknown>> & { readonly kind: string };

/** Reads a metrics file; lines that are not whole are left out. */
export function readMetrics(path: string): readonly MetricsRow[] {
  return rowsOf(readFileSync(path, 'utf8'));
}

/** The last lines of a metrics file, as many as so many bytes hold; none where there is no file. */
export function readLastMetrics(path: string, bytes = 1 << 16): readonly MetricsRow[] {
  if (!existsSync(path)) return [];
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const text = Buffer.alloc(Math.min(size, bytes));
    readSync(file, text, 0, text.length, size - text.length);
    return rowsOf(text.toString('utf8'));
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
