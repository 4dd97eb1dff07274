/** The id of a run: made once, kept in its folder, and named by everything that is the run's elsewhere. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const runIdName = 'run_id';

export const newRunId = (): string => randomBytes(8).toString('hex');

/** Null where a folder has none: it is no run's, or that of a version that gave none. */
export function readRunId(folder: string): string | null {
  try {
    const text = readFileSync(join(folder, runIdName), 'utf8').trim();
    return /^[0-9a-f]{16}$/.test(text) ? text : null;
  } catch {
    return null;
  }
}
