/** `--json`: a file for the summary, found to be writable before anything is trained. */
import { closeSync, constants, existsSync, lstatSync, openSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { systemProblem } from '../ir/system_error.js';
import { checkpointsName, runFileNames } from '../run/folder.js';
import type { RunSummary } from '../train/events.js';
import { summaryUnwritable } from './diagnostics.js';
import { summaryJson } from './summary.js';

/** Changes nothing yet. Throws `observe/summary-unwritable`, now or when the summary is written. */
export function summaryFile(file: string): { write(summary: RunSummary): void } {
  attempt(file, () => {
    if (file === '') throw new Error('it has no name');
    requireNoRunFile(resolve(file));
    requireWritable(file);
  });
  const text = (summary: RunSummary) => `${JSON.stringify(summaryJson(summary), null, 2)}\n`;
  return { write: (summary) => attempt(file, () => write(file, text(summary))) };
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

/** What a run reads again is not written over. */
function requireNoRunFile(path: string): void {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if (!existsSync(join(at, 'config.json')) || !existsSync(join(at, 'run.json'))) continue;
    const [first] = relative(at, path).split(sep);
    const own = [...runFileNames, checkpointsName].find((name) => name === first);
    if (own !== undefined && own !== 'summary.json') throw new Error(`it is the ${own} of the run in ${at}`);
  }
}

function attempt(file: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw summaryUnwritable({ file, ...systemProblem(error) }, { cause: error });
  }
}
