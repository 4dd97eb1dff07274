/**
 * Files and folders that are there for a while: what is being made before it has its name, and what processes tell each other. A name
 * says which process it belongs to, so that what one that was killed has left is removed by the next one that comes by, and nothing that
 * is in use.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { systemProblem } from '../ir/system_error.js';
import { noTemporaryFolder } from './diagnostics.js';
import { sha256 } from './hash.js';
import { makeFolder } from './make_folder.js';
import { runs, thisProcess } from './process_id.js';

/** `.making-PLACE-PID-STARTED-RANDOM`: a name that begins with `prefix` and that no other process takes. */
export function temporaryName(prefix: string): string {
  const { pid, started } = thisProcess();
  return [prefix + placeHash(), pid, started ?? '', randomBytes(6).toString('hex')].join('-');
}

/** Of another machine it cannot be seen whether its process still runs: nothing that is being made takes a day. */
const longestMs = 86_400_000;

/** Removes what processes that have ended have left in a folder under names that begin with `prefix`. Never throws: it may be another user's. */
export function removeAbandoned(folder: string, prefix: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (name.startsWith(prefix) && isAbandoned(path, name.slice(prefix.length))) remove(path);
    }
  } catch {
    // Whoever writes there says what is wrong with the folder.
  }
}

/**
 * Writes a file that is either the old or the new one, never half of it, with the permissions that the umask gives. Makes its folder. Throws
 * what the system says; nothing is left behind then.
 */
export function writeAtomically(file: string, content: string, { mode }: { readonly mode?: number } = {}): void {
  makeFolder(dirname(file));
  const prefix = `.${basename(file)}-`;
  removeAbandoned(dirname(file), prefix);
  const temporary = join(dirname(file), temporaryName(prefix));
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * A new folder of this process alone, where the system keeps such things (`TMPDIR`). To be removed by whoever asked for it.
 * @throws data/no-temporary-folder.
 */
export function makeTemporaryFolder(prefix: string): string {
  const parent = tmpdir();
  removeAbandoned(parent, prefix);
  const folder = join(parent, temporaryName(prefix));
  try {
    mkdirSync(folder, 0o700);
  } catch (error) {
    const { problem, remedy } = systemProblem(error);
    throw noTemporaryFolder({ parent, isSet: process.env.TMPDIR !== undefined, problem, remedy }, { cause: error });
  }
  return folder;
}

/** Says in a name where numbers of processes mean the same; empty where the system does not tell. */
function placeHash(): string {
  const { host, place } = thisProcess();
  return place === null ? '' : sha256([host, place]).slice(0, 12);
}

function isAbandoned(path: string, rest: string): boolean {
  const [place, pid, started] = rest.split('-');
  const here = thisProcess();
  if (here.place !== null && place === placeHash() && /^\d+$/.test(pid ?? '') && /^\d+$/.test(started ?? ''))
    return runs({ ...here, pid: Number(pid), started }) === false;
  return Date.now() - (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > longestMs;
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Another user's: whoever made it removes it.
  }
}
