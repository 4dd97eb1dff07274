/**
 * Whose a folder of checkpoints is: `owner.json` in it names the run, by its id and by its folder. A run checks before it begins that
 * the folder is its own or nobody's, and marks it then.
 */
import { accessSync, constants, existsSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { latestName, listCheckpoints, nodeDisk, readManifest } from '../checkpoint/index.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { checkpointsForeign, checkpointsOfAnother, folderNotMade } from './diagnostics.js';
import { readRunId } from './run_id.js';
import { RunLock } from './lock.js';
import { writeWhole } from './write_whole.js';
import { makeFolder } from '../data/make_folder.js';
import { parseFields } from '../ir/parse_json.js';
import { readText } from '../data/read_text.js';

export const ownerName = 'owner.json';

const ownerSchema = z.object({
  run: z.string(),
  /** Of the run. */
  folder: z.string(),
  /** Where the run had its checkpoints before; null: nowhere else. */
  before: z.string().nullable(),
  /** What was the latest checkpoint here when the run came back from there: until another is, the latest of the run is there. */
  had: z.string().nullable().default(null),
});

export type CheckpointOwner = z.infer<typeof ownerSchema>;

/** Null where the folder is not marked. */
export function readOwner(directory: string): CheckpointOwner | null {
  try {
    const parsed = ownerSchema.safeParse(parseFields(readText(join(directory, ownerName))));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

export interface OwnerRequest {
  /** Folder of checkpoints. */
  readonly directory: string;
  /** Of the run. */
  readonly folder: string;
  /** Id of the run; null: a run of a version that gave none, or one that is not made yet. */
  readonly run: string | null;
  /** Whether the run is there already, so that what lies unmarked in its own folder is its own. */
  readonly goesOn: boolean;
}

/**
 * Throws `run/checkpoints-of-another-run`, `run/checkpoints-not-marked`, `run/folder-not-written`; writes nothing.
 */
export async function requireOwnCheckpoints({ directory, folder, run, goesOn }: OwnerRequest): Promise<void> {
  requireDirectory(directory);
  const found: { readonly name: string; readonly run: string | null }[] = [];
  for (const { name, path } of await listCheckpoints(nodeDisk, directory)) {
    const of = await runOfCheckpoint(path);
    if (of !== undefined) found.push({ name, run: of });
  }
  const owner = readOwner(directory);
  const others = found.find((one) => one.run !== null && one.run !== run);
  if (others) {
    const theirs = owner?.run === others.run ? owner.folder : null;
    throw checkpointsOfAnother({ directory, run: others.run!, folder: theirs });
  }
  const inside = goesOn && isInside(directory, folder);
  if (owner && owner.run === run) {
    // The same id in two folders: one is a copy of the other, and the first keeps what it has.
    const isCopy = !samePlace(owner.folder, folder) && readRunId(owner.folder) === run;
    if (isCopy && !inside) throw checkpointsOfAnother({ directory, run, folder: owner.folder });
    return;
  }
  if (owner) {
    // It has left nothing here; while it runs it may yet.
    const works = readRunId(owner.folder) === owner.run && RunLock.runningHolder(owner.folder) !== null;
    if (works) throw checkpointsOfAnother({ directory, run: owner.run, folder: owner.folder });
  }
  const unmarked = found.find((one) => one.run === null)?.name ?? (found.length === 0 ? latestIn(directory) : null);
  if (unmarked && !inside) throw checkpointsForeign({ directory, name: unmarked });
}

/** The run that a checkpoint names; null where it names none, undefined where it is no checkpoint that can be read. */
export async function runOfCheckpoint(path: string): Promise<string | null | undefined> {
  try {
    return (await readManifest(nodeDisk, path)).run ?? null;
  } catch (error) {
    if (error instanceof DiagnosticError) return undefined;
    throw error;
  }
}

/** Makes the folder, with its mark. Throws `run/folder-not-written`, and `run/checkpoints-of-another-run` where another was quicker. */
export function markCheckpoints(directory: string, owner: CheckpointOwner): void {
  const path = join(directory, ownerName);
  const known = readOwner(directory);
  const text = `${JSON.stringify(owner, null, 2)}\n`;
  try {
    makeFolder(directory);
    if (!existsSync(path)) return writeFileSync(path, text, { flag: 'wx', flush: true });
  } catch (error) {
    const first = errorCode(error) === 'EEXIST' ? readOwner(directory) : null;
    if (first) throw checkpointsOfAnother({ directory, run: first.run, folder: first.folder });
    throw folderNotMade({ path: directory, ...systemProblem(error) }, { cause: error });
  }
  if (JSON.stringify(known) !== JSON.stringify(owner)) writeWhole(path, text);
}

/** Throws `run/folder-not-written` where a folder cannot be made because something else is in the way. */
export function requireDirectory(path: string): void {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at)) {
      try {
        readdirSync(at);
        accessSync(at, constants.W_OK);
      } catch (error) {
        throw folderNotMade({ path, ...systemProblem(error) }, { cause: error });
      }
      return;
    }
    if (at === dirname(at)) return;
  }
}

/** The name of the latest checkpoint in a folder; null where there is none. */
export function latestNameIn(directory: string): string | null {
  try {
    return readText(join(directory, latestName)).trim() || null;
  } catch {
    return null;
  }
}

const latestIn = (directory: string): string | null => (existsSync(join(directory, latestName)) ? latestName : null);

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way.split(sep)[0] !== '..' && !isAbsolute(way);
}

function samePlace(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}
