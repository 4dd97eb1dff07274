/**
 * A run's folder: everything that resuming, sampling, explaining and comparing it need.
 *
 *   config.json      the configuration, every field present       plan.json      the plan
 *   plan.resolved.json    the plan with all that was chosen: it leaves nothing open
 *   run.json         what was decided once: data, order, model, how many steps (`record.ts`)
 *   sources.json     the files its text came from, with hashes    model.ir       the forward that its model traces
 *   metrics.jsonl    one line an event                            trace.json     the launches of a few steps
 *   log.txt          what the run told, as lines                  loss.svg         its losses, drawn
 *   digests/         what each step came to, process by process (`digests.ts`)
 *   summary.json, tokenizer.json
 *   checkpoints/     step-NNNNNN/, latest, owner.json             run_id, which names the run in its checkpoints too
 *   lock             who works on it now
 */
import { textOf } from '../options/plain.js';
import { existsSync, lstatSync, readFileSync, statSync, type Stats } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isAbsent } from '../checkpoint/disk.js';
import { systemProblem } from '../ir/system_error.js';
import { parsePlan } from '../plan/parse_plan.js';
import type { Plan } from '../plan/plan.js';
import { configText } from '../config/file.js';
import type { TrainConfig } from '../config/schema.js';
import { finishCommit } from './committed.js';
import { folderNotOwn, noRun, recordInvalid } from './diagnostics.js';
import { readEarlierRecord } from './earlier_record.js';
import { lockName } from './lock.js';
import { parseRecord, recordText, type RunRecord } from './record.js';
import { readRunId, runIdName } from './run_id.js';
import { writeWhole } from './write_whole.js';

/** What a run has in its folder that are files. */
export const runFileNames = [
  'config.json',
  'plan.json',
  'plan.resolved.json',
  'run.json',
  'metrics.jsonl',
  'trace.json',
  'tokenizer.json',
  'sources.json',
  'model.ir',
  'summary.json',
  'log.txt',
  'loss.svg',
  runIdName,
  lockName,
] as const;

/** Where a run's checkpoints are, unless its configuration says otherwise. */
export const checkpointsName = 'checkpoints';

/** Where its digests are. */
export const digestsName = 'digests';

/** What a run has in its folder that are folders. */
export const runFolderNames = [checkpointsName, digestsName] as const;

export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Opens a run's folder. Throws `run/not-found`, `run/not-its-own-files`. */
  static open(path: string): RunFolder {
    if (typeof path !== 'string') throw noRun({ path: textOf(path), problem: 'it is no path' });
    const folder = new RunFolder(path);
    const problem = whyMissing(folder.file('config.json'));
    if (problem !== null) throw noRun({ path, problem });
    finishCommit(folder.path);
    folder.requireOwnFiles();
    return folder;
  }

  /** Names the run in its checkpoints; null for a run of a version that gave none. */
  get id(): string | null {
    return readRunId(this.path);
  }

  /** Throws `run/not-its-own-files` where a name of the run's is a link, or no ordinary file. */
  requireOwnFiles(): void {
    for (const name of runFileNames) this.#requireKind(name, 'file');
    for (const name of runFolderNames) this.#requireKind(name, 'folder');
  }

  #requireKind(name: string, kind: 'file' | 'folder'): void {
    const found = kindOf(this.file(name));
    if (!found || (kind === 'file' ? found.isFile() : found.isDirectory())) return;
    const problem = found.isSymbolicLink() ? 'is a symbolic link' : `is no ${kind === 'file' ? 'ordinary file' : kind}`;
    throw folderNotOwn({ path: this.file(name), problem });
  }

  get name(): string {
    return basename(this.path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Where checkpoints are: in the folder, unless the configuration says otherwise. */
  checkpoints(config: TrainConfig): string {
    return config.checkpoint.directory === null ? this.file(checkpointsName) : resolve(config.checkpoint.directory);
  }

  writeConfig(config: TrainConfig): void {
    this.write('config.json', configText(config));
  }

  writePlan(plan: Plan): void {
    this.write('plan.json', `${JSON.stringify(plan, null, 2)}\n`);
  }

  /** Writes the plan with nothing left open, as it was compiled. */
  writeResolvedPlan(plan: Plan): void {
    this.write('plan.resolved.json', `${JSON.stringify(plan, null, 2)}\n`);
  }

  /** Throws `run/record-invalid` where there is none, and `plan/…` where it is none. */
  readPlan(): Plan {
    const file = this.file('plan.json');
    if (!existsSync(file)) throw recordInvalid({ file, problem: 'it is missing' });
    return parsePlan(readFileSync(file, 'utf8'), file);
  }

  writeRecord(record: RunRecord): void {
    this.write('run.json', recordText(record));
  }

  /** Throws `run/record-invalid`. */
  readRecord(): RunRecord {
    const file = this.file('run.json');
    if (!existsSync(file)) throw recordInvalid({ file, problem: 'it is missing' });
    const text = readFileSync(file, 'utf8');
    return readEarlierRecord(text, this) ?? parseRecord(text, file);
  }

  /** Replaces a file whole: a reader sees the old one or the new one. Throws `run/folder-not-written`. */
  write(name: string, content: string | Uint8Array): void {
    writeWhole(this.file(name), content);
  }
}

/** Why a file is not there, as far as can be seen; null where it is. */
function whyMissing(path: string): string | null {
  try {
    statSync(path);
    return null;
  } catch (error) {
    return systemProblem(error).problem;
  }
}

/** Null where nothing can lie: what makes the folder says why. */
function kindOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}
