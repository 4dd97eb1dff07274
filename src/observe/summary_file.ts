/** `--json`: a file for the summary, found to be writable before anything is trained. */
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { checkpointsName, runFileNames } from '../run/folder.js';
import type { RunSummary } from '../train/events.js';
import { summaryUnwritable } from './diagnostics.js';
import { summaryJson } from './summary.js';

/** Changes nothing yet. Throws `observe/summary-unwritable`, now or when the summary is written. */
export function summaryFile(file: string): { write(summary: RunSummary): void } {
  attempt(file, () => {
    requireNoRunFile(resolve(file));
    if (!existsSync(file)) return accessSync(dirname(resolve(file)), constants.W_OK);
    if (statSync(file).isDirectory()) throw new Error('it is a folder');
    accessSync(file, constants.W_OK);
  });
  const text = (summary: RunSummary) => `${JSON.stringify(summaryJson(summary), null, 2)}\n`;
  return { write: (summary) => attempt(file, () => writeFileSync(file, text(summary))) };
}

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
    throw summaryUnwritable({ file, problem: (error as Error).message }, { cause: error });
  }
}
