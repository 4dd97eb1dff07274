/** `--json`: a file for the summary, found to be writable before anything is trained. */
import { closeSync, constants, lstatSync, openSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunSummary } from '../train/events.js';
import { attempt } from './attempt.js';
import { summaryUnwritable } from './diagnostics.js';
import { requireNoRunFile } from './own_files.js';
import { summaryJson } from './summary.js';

/** Changes nothing yet. Throws `observe/summary-unwritable`, now or when the summary is written. */
export function summaryFile(file: string): { write(summary: RunSummary): void } {
  attempt(file, summaryUnwritable, () => {
    if (file === '') throw new Error('it has no name');
    requireNoRunFile(resolve(file), ['summary.json']);
    requireWritable(file);
  });
  const text = (summary: RunSummary) => `${JSON.stringify(summaryJson(summary), null, 2)}\n`;
  return { write: (summary) => attempt(file, summaryUnwritable, () => write(file, text(summary))) };
}

/** A new file is made and removed again: nothing else says whether it can be. One that is there is opened, and stays as it is. */
function requireWritable(file: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) {
    closeSync(openSync(file, 'wx'));
    return unlinkSync(file);
  }
  if (found.isSymbolicLink()) statSync(file);
  closeSync(openSync(file, constants.O_WRONLY | unwaiting));
}

function write(file: string, text: string): void {
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | unwaiting, 0o666);
  try {
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

/** A pipe that nobody reads is refused instead of waited for. */
const unwaiting = constants.O_NONBLOCK ?? 0;
