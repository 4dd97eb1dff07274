/** What a run has found, as `gpu.json` has it: written whole after every event, so that a reader never sees half a file. */
import { renameSync, writeFileSync } from 'node:fs';

/**
 * `waiting` and `running` are left behind only by a run that was killed.
 * `cut`: its time was over, or the run was told to end.
 */
export type StageStatus = 'waiting' | 'running' | 'passed' | 'failed' | 'cut' | 'not run';

/**
 * What a stage prints: any JSON object. With `passed`, a boolean, it is a check of that `name`. `headline`, a string, is shown in the
 * table at the end; the last one holds.
 */
export type StageRecord = Readonly<Record<string, unknown>>;

export interface StageResult {
  readonly name: string;
  readonly shows: string;
  readonly status: StageStatus;
  /** Why it failed, was cut or did not run; null otherwise. */
  readonly reason: string | null;
  /** Wall time; null where it has not ended. */
  readonly seconds: number | null;
  readonly results: readonly StageRecord[];
  /** The last lines that it said besides, where it failed or was cut. */
  readonly lastLines: readonly string[];
  /** Records that were not kept because the file would have grown too long. */
  readonly dropped: number;
}

export interface RunResults {
  /** Date and time at the start, ISO 8601. */
  readonly started: string;
  readonly device: string;
  readonly minutes: number;
  /** What the run was made of and ran on: versions, cores, torch. */
  readonly about: StageRecord;
  /** Whether the run came to its end. */
  readonly finished: boolean;
  readonly seconds: number;
  readonly stages: readonly StageResult[];
}

/** Writes the file, whole or not at all. */
export function writeResults(file: string, results: RunResults): void {
  const next = `${file}.${process.pid}.next`;
  writeFileSync(next, `${JSON.stringify(results, null, 1)}\n`);
  renameSync(next, file);
}

/** Whether every stage passed. */
export function allPassed({ finished, stages }: RunResults): boolean {
  return finished && stages.every(({ status }) => status === 'passed');
}

/** A line a stage: name, status, seconds, headline or reason. */
export function table({ stages }: RunResults): string {
  const rows = stages.map(({ name, status, seconds, reason, results }) => [
    name,
    status,
    seconds === null ? '' : `${seconds.toFixed(1)} s`,
    [reason, headline(results)].filter(Boolean).join('; '),
  ]);
  const width = (column: number) => Math.max(...rows.map((row) => row[column].length));
  const [names, statuses, times] = [width(0), width(1), width(2)];
  return rows
    .map(([name, status, seconds, told]) =>
      `${name.padEnd(names)}  ${status.padEnd(statuses)}  ${seconds.padStart(times)}  ${told}`.trimEnd(),
    )
    .join('\n');
}

/** What its last `headline` says; else how many of its checks passed, and which did not. */
function headline(results: readonly StageRecord[]): string | null {
  const last = results.findLast((record) => typeof record.headline === 'string');
  if (last) return String(last.headline);
  const checks = results.filter((record) => typeof record.passed === 'boolean');
  const failed = checks.filter(({ passed }) => !passed).map(({ name }) => String(name));
  if (!checks.length) return null;
  return [
    `${checks.length - failed.length} of ${checks.length} checks passed`,
    ...failed.map((name) => `not: ${name}`),
  ].join('; ');
}
