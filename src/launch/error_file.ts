/**
 * How a failing rank tells its launcher why: a JSON file in torchrun's format, so that torchrun shows our errors and we show those of
 * any rank (torch/distributed/elastic/multiprocessing/errors). Ours adds the diagnostic, whole.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { DiagnosticError, type DiagnosticText } from '../ir/diagnostic.js';

export interface RankError {
  readonly message: string;
  /** Seconds since 1970; the earliest error of a job is its cause. */
  readonly timestamp: number;
  readonly diagnostic: (DiagnosticText & { readonly code: string }) | null;
}

/** Writes an error; never throws, since the caller is failing already. */
export function writeErrorFile(file: string, error: unknown, now: () => number = Date.now): void {
  const message =
    error instanceof Error
      ? error instanceof DiagnosticError
        ? error.message
        : `${error.name}: ${error.message}`
      : String(error);
  const extraInfo = {
    py_callstack: error instanceof Error ? (error.stack ?? '') : '',
    timestamp: String(Math.floor(now() / 1000)),
    milliseconds: now(),
    ...(error instanceof DiagnosticError ? { diagnostic: { code: error.code, ...error.diagnostic } } : {}),
  };
  try {
    writeFileSync(`${file}.${process.pid}`, JSON.stringify({ message: { message, extraInfo } }));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // The exit status still says that this rank failed.
  }
}

/** Reads what a rank left; null where it left nothing readable. */
export function readErrorFile(file: string): RankError | null {
  try {
    const { message } = JSON.parse(readFileSync(file, 'utf8')) as {
      message: string | { message: string; extraInfo?: ExtraInfo };
    };
    if (typeof message === 'string') return { message, timestamp: 0, diagnostic: null };
    const extra = message.extraInfo ?? {};
    const timestamp = extra.milliseconds === undefined ? Number(extra.timestamp ?? 0) : extra.milliseconds / 1000;
    return { message: message.message, timestamp, diagnostic: extra.diagnostic ?? null };
  } catch {
    return null;
  }
}

interface ExtraInfo {
  readonly timestamp?: string;
  readonly milliseconds?: number;
  readonly diagnostic?: RankError['diagnostic'];
}
