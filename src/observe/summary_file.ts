/** `--json`: a file for the summary, found to be writable before anything is trained. */
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { RunSummary } from '../train/events.js';
import { summaryUnwritable } from './diagnostics.js';
import { requireNoRunFile } from './own_files.js';
import { summaryJson } from './summary.js';

/** Changes nothing yet. Throws `observe/summary-unwritable`, now or when the summary is written. */
export function summaryFile(file: string): { write(summary: RunSummary): void } {
  attempt(file, () => {
    requireNoRunFile(resolve(file), ['summary.json']);
    if (!existsSync(file)) return accessSync(dirname(resolve(file)), constants.W_OK);
    if (statSync(file).isDirectory()) throw new Error('it is a folder');
    accessSync(file, constants.W_OK);
  });
  const text = (summary: RunSummary) => `${JSON.stringify(summaryJson(summary), null, 2)}\n`;
  return { write: (summary) => attempt(file, () => writeFileSync(file, text(summary))) };
}

function attempt(file: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw summaryUnwritable({ file, problem: (error as Error).message }, { cause: error });
  }
}
