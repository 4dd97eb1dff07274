/**
 * `metrics.jsonl`: one JSON object a line, for every event that carries numbers.
 *
 *   {"kind":"step","step":1,"loss":9.01,"grad_norm":1.2,"lr":1.5e-6,"step_seconds":0.41,"tokens_per_second":39900,…,"at":1700000000000}
 *
 * Names are those of the events in snake case; what is not finite is null. A line is written whole when its event happens, so a run
 * that dies loses none but, with the power, the last; a resume drops that one and those of steps it will do again.
 */
import { closeSync, constants, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TrainEvent } from '../train/events.js';
import { parseMetricsLine } from '../run/read_metrics.js';
import { writeWhole as writeWholeFile } from '../run/write_whole.js';
import { snakeCase } from '../options/names.js';
import { makeFolder } from '../data/make_folder.js';

export interface MetricsWriter {
  /** Writes an event, or nothing where its kind has no line. */
  append(event: TrainEvent): void;
  /** Everything so far is on the disk when this returns. */
  flush(): void;
  close(): void;
}

export interface MetricsOptions {
  /** Step of the checkpoint that a resumed run goes on from; lines of later steps are dropped. Null: a new run, a new file. */
  readonly resumedFrom: number | null;
  /** Steps between two lines of kind `step`. Default 1. */
  readonly everySteps?: number;
  /** Called once, with the first error: a full disk must not end a run that has metrics to lose and a model to keep. */
  readonly onError?: (error: Error) => void;
}

export function openMetrics(path: string, { resumedFrom, everySteps = 1, onError }: MetricsOptions): MetricsWriter {
  makeFolder(dirname(path));
  if (resumedFrom !== null && existsSync(path)) dropLinesAfter(path, resumedFrom);
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOFOLLOW } = constants;
  // A link in the folder is not followed out of it.
  const file = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | (resumedFrom === null ? O_TRUNC : O_APPEND), 0o666);
  let failed = false;
  const attempt = (write: () => void) => {
    try {
      write();
    } catch (error) {
      if (failed) return;
      // First of all: who is told may tell of it in a line of metrics.
      failed = true;
      onError?.(error as Error);
    }
  };
  return {
    append(event) {
      if (event.kind === 'step' && event.step % everySteps !== 0) return;
      const line = metricsLine(event);
      // After an error, which may have left half a line, a line begins anew.
      if (line !== null) attempt(() => writeWhole(file, `${failed ? '\n' : ''}${line}\n`));
    },
    flush: () => attempt(() => fsyncSync(file)),
    close() {
      attempt(() => fsyncSync(file));
      closeSync(file);
    },
  };
}

/** An event as a line of metrics; null for what is told but not measured. */
export function metricsLine(event: TrainEvent): string | null {
  switch (event.kind) {
    case 'setup_started':
    case 'setup_progress':
    case 'sample_text':
    case 'sample':
    case 'curve':
    case 'summary':
      return null;
    default:
      return JSON.stringify(Object.fromEntries(Object.entries(event).map(([name, value]) => [snakeCase(name), value])));
  }
}

function dropLinesAfter(path: string, step: number): void {
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => {
      const row = parseMetricsLine(line);
      return row !== null && !(typeof row.step === 'number' && row.step > step);
    });
  // Written beside and renamed, so that an interrupted resume drops nothing else.
  writeWholeFile(path, kept.map((line) => `${line}\n`).join(''));
}

function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}
