/** The runs in a folder, as far as they have come. It reads little of each: no checkpoint's numbers, and the end of the log. */
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { pathsTold } from './paths_told.js';
import { readConfig } from '../config/file.js';
import { resolveConfig } from '../config/resolve.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { noRuns } from './diagnostics.js';
import { RunFolder } from './folder.js';
import { lastStep, lossesAt, type Losses } from './losses_at.js';
import { RunLock } from './lock.js';
import { openRunCheckpoint } from './open_checkpoint.js';
import { metricsUntil } from './read_metrics.js';

/** With the losses of the step that it says. */
export interface ListedRun extends Losses {
  readonly name: string;
  /** `interrupted`: it ended before its last step, and can be gone on with; `empty`: it ended before it had saved anything. */
  readonly state: 'running' | 'complete' | 'interrupted' | 'empty' | 'broken';
  /** What is wrong with it, where it is broken. */
  readonly problem: string | null;
  /** Of the latest checkpoint; null where there is none. */
  readonly step: number | null;
  /** The last that it has told of, where nothing is saved yet; null where there is a checkpoint, or no line. */
  readonly unsavedStep: number | null;
  /** Length of the run; null where it is not known yet. */
  readonly steps: number | null;
  /** Of all files below its folder. */
  readonly bytes: number;
}

/** Runs by name. Throws `run/none-found`. */
export const listRuns = (directory: string): Promise<readonly ListedRun[]> => pathsTold(() => list(directory));

async function list(directory: string): Promise<readonly ListedRun[]> {
  let names: string[];
  try {
    names = readdirSync(directory).sort();
  } catch (error) {
    throw noRuns({ directory, problem: systemProblem(error).problem }, { cause: error });
  }
  const listed: ListedRun[] = [];
  for (const name of names) {
    const path = join(directory, name);
    if (existsSync(join(path, 'config.json'))) listed.push(await describe(name, path));
  }
  if (listed.length === 0) throw noRuns({ directory, problem: 'no folder in it has a config.json' });
  return listed;
}

async function describe(name: string, path: string): Promise<ListedRun> {
  const bytes = bytesBelow(path);
  try {
    return await pathsTold(async () => {
      const folder = RunFolder.open(path);
      const source = folder.file('config.json');
      const { config } = resolveConfig(await readConfig(source), { source });
      const { steps } = folder.readRecord();
      const step = await latestStep(folder, config);
      const rows = metricsUntil(folder.file('metrics.jsonl'), step ?? Infinity);
      const unsavedStep = step === null ? lastStep(rows) : null;
      const isRunning = RunLock.presumedHolder(path) !== null;
      const isComplete = steps !== null && step !== null && step >= steps;
      const state = isRunning ? 'running' : step === null ? 'empty' : isComplete ? 'complete' : 'interrupted';
      const losses = lossesAt(rows, step ?? unsavedStep ?? 0);
      return { name, state, problem: null, step, unsavedStep, steps, ...losses, bytes };
    });
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const problem = `${error.diagnostic.what} [${error.code}]`;
    const unknown = { step: null, unsavedStep: null, steps: null, trainingLoss: null, validationLoss: null };
    return { name, state: 'broken', problem, ...unknown, bytes };
  }
}

/** Null where there is no checkpoint. */
async function latestStep(folder: RunFolder, config: Parameters<typeof openRunCheckpoint>[1]): Promise<number | null> {
  try {
    const checkpoint = await openRunCheckpoint(folder, config, { verify: 'structure' });
    await checkpoint.close();
    return checkpoint.manifest.step;
  } catch (error) {
    if (error instanceof DiagnosticError && error.code === 'checkpoint/none-found') return null;
    throw error;
  }
}

/** What goes while it is looked at counts for nothing; links are not followed. */
function bytesBelow(path: string): number {
  try {
    const found = lstatSync(path);
    if (!found.isDirectory()) return found.isFile() ? found.size : 0;
    return readdirSync(path).reduce((sum, name) => sum + bytesBelow(join(path, name)), 0);
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return 0;
  }
}
