/**
 * The first and the last moment of working on a run: its folder is checked without a byte being written, then locked, looked at again,
 * and given its id and its mark.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { latestName, listCheckpoints, nodeDisk, type Checkpoint } from '../checkpoint/index.js';
import type { TrainConfig } from '../config/schema.js';
import { checkpointFolders } from './checkpoint_folders.js';
import {
  latestNameIn,
  markCheckpoints,
  readOwner,
  requireDirectory,
  requireOwnCheckpoints,
  runOfCheckpoint,
} from './checkpoint_owner.js';
import { folderNotMade, folderTaken, runChanged, runExists, runLocked } from './diagnostics.js';
import { checkpointsName, digestsName, runFileNames, RunFolder, runFolderNames } from './folder.js';
import { lockName, RunLock } from './lock.js';
import { openRunCheckpoint } from './open_checkpoint.js';
import { newRunId, runIdName } from './run_id.js';
import { requireRunName } from './run_name.js';
import { removeFile } from './write_whole.js';
import { makeFolder } from '../data/make_folder.js';

export interface LockedRun {
  readonly folder: RunFolder;
  /** To be released when the work is done. */
  readonly lock: RunLock;
}

export interface NewRun extends LockedRun {
  /** Whether an earlier run of that name had left no checkpoint, so that this one takes its place. */
  readonly startsOver: boolean;
}

/**
 * Whether a new run can begin where the configuration puts it: it writes nothing. Throws `run/bad-name`, `run/exists`, `run/locked`,
 * `run/folder-taken`, `run/folder-not-written`, `run/not-its-own-files`, `run/checkpoints-…`.
 */
export async function requireFreePlace({ checkpoint, logging }: TrainConfig): Promise<void> {
  const { directory, name } = logging;
  if (name === null) return requireDirectory(new RunFolder(directory).path);
  requireRunName(name);
  await requireFree(new RunFolder(join(directory, name)), checkpoint.directory);
}

/** Makes the folder of a new run and locks it. Throws what {@link requireFreePlace} does. */
export async function makeRun(config: TrainConfig): Promise<NewRun> {
  await requireFreePlace(config);
  const { path, isNew } = makeRunFolder(config.logging);
  const folder = new RunFolder(path);
  try {
    const lock = RunLock.take(path);
    try {
      // Another may have been here until it was locked.
      const startsOver = await requireFree(folder, config.checkpoint.directory, { locked: true });
      // What is left of one that saved nothing, its id included, becomes this one's.
      for (const name of ['metrics.jsonl', 'trace.json', 'summary.json', 'sources.json']) removeFile(folder.file(name));
      rmSync(folder.file(digestsName), { recursive: true, force: true });
      mark(folder, config);
      return { folder, lock, startsOver };
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    if (isNew && readdirSync(path).length === 0) rmdirSync(path);
    throw error;
  }
}

/** Of a run without a name: that of the second, or the first after it that no other has. */
function makeRunFolder({ directory, name }: TrainConfig['logging']): {
  readonly path: string;
  readonly isNew: boolean;
} {
  const first = join(directory, name ?? timeName(new Date()));
  try {
    makeFolder(directory);
    for (let variation = 1; ; variation++) {
      const path = new RunFolder(variation === 1 ? first : `${first}-${variation}`).path;
      try {
        mkdirSync(path);
        return { path, isNew: true };
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
        if (name !== null) return { path, isNew: false };
      }
    }
  } catch (error) {
    throw folderNotMade({ path: first, ...systemProblem(error) }, { cause: error });
  }
}

/**
 * Whether a run can be gone on with under a configuration: nobody works on it, and its checkpoints' folder is its own. Writes nothing.
 * Throws `run/locked`, `run/checkpoints-…`, `run/folder-not-written`.
 */
export async function requireGoingOn(folder: RunFolder, config: TrainConfig): Promise<void> {
  requireUnlocked(folder);
  const directory = folder.checkpoints(config);
  await requireOwnCheckpoints({ directory, folder: folder.path, run: folder.id, goesOn: true });
}

/**
 * Locks a run to go on with it from a checkpoint that was opened before. Throws what {@link requireGoingOn} does, and `run/changed` where
 * another process has saved or removed checkpoints since.
 */
export async function lockRun(
  folder: RunFolder,
  config: TrainConfig,
  opened: Checkpoint,
  { step }: { readonly step: number | null },
): Promise<RunLock> {
  await requireGoingOn(folder, config);
  const lock = RunLock.take(folder.path);
  try {
    const now = await openRunCheckpoint(folder, config, { step, verify: 'structure' });
    await now.close();
    const isSame = now.path === opened.path && now.manifest.sha256 === opened.manifest.sha256;
    if (!isSame) throw runChanged({ folder: folder.path, step: now.manifest.step });
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Gives a run that this process has locked its id, where it has none, and marks the folder of its checkpoints. */
export function mark(folder: RunFolder, config: TrainConfig): void {
  const known = folder.id;
  const run = known ?? newRunId();
  if (known === null) folder.write(runIdName, `${run}\n`);
  const directory = folder.checkpoints(config);
  const folders = checkpointFolders(folder, directory);
  const before = folders.find((one) => one !== directory) ?? null;
  // What lies in a folder that the run comes back to is older than what it has saved elsewhere.
  const had = folders[0] === directory ? null : latestNameIn(directory);
  try {
    markCheckpoints(directory, { run, folder: folder.path, before, had });
  } catch (error) {
    if (known === null) removeFile(folder.file(runIdName));
    throw error;
  }
}

/** Gives whether a run that left nothing is there. */
async function requireFree(
  folder: RunFolder,
  checkpoints: string | null,
  { locked = false }: { readonly locked?: boolean } = {},
): Promise<boolean> {
  const { path } = folder;
  requireDirectory(path);
  folder.requireOwnFiles();
  if (!locked) requireUnlocked(folder);
  const run = folder.id;
  const isRun = existsSync(folder.file('config.json'));
  if (run === null) {
    if (isRun) throw runExists({ path });
    const name = [...runFileNames, ...runFolderNames].find((one) => one !== lockName && existsSync(folder.file(one)));
    if (name !== undefined) throw folderTaken({ path, name });
  } else if (await hasSaved(folder)) throw runExists({ path });
  const directory = checkpoints === null ? folder.file(checkpointsName) : new RunFolder(checkpoints).path;
  await requireOwnCheckpoints({ directory, folder: path, run, goesOn: false });
  return isRun;
}

/** Whether a checkpoint of a run is anywhere, or in its own folder anything that looks like one. */
async function hasSaved(folder: RunFolder): Promise<boolean> {
  const own = folder.file(checkpointsName);
  for (const directory of checkpointFolders(folder, own)) {
    const isOwn = directory === own || readOwner(directory)?.run === folder.id;
    if (isOwn && existsSync(join(directory, latestName))) return true;
    for (const { path } of await listCheckpoints(nodeDisk, directory))
      if (directory === own || (await runOfCheckpoint(path)) === folder.id) return true;
  }
  return false;
}

function requireUnlocked({ path }: RunFolder): void {
  const holder = RunLock.runningHolder(path);
  if (holder) throw runLocked({ folder: path, holder, silence: 0 });
}

/** `2026-01-31-09-05-07`, in local time. */
function timeName(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())];
  return [...date, two(now.getHours()), two(now.getMinutes()), two(now.getSeconds())].join('-');
}
