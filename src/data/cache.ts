/**
 * The data cache: folders named by the hash of what is in them.
 *
 *   CACHE/data/KEY/           manifest.json, tokenizer.json, train.bin, train.idx, validation.bin, validation.idx
 *   CACHE/data/seen/SIGN      the KEY that files with these names, sizes and times led to, so that a second start reads no text
 *
 * A folder is made under another name and renamed, so it is whole or absent; two processes that make the same one do not disturb
 * each other. What is made has the permissions that the umask gives, in the group of its folder: users who share one share what is in
 * it. One that can only be read is read.
 */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { cacheNotWritable } from './diagnostics.js';
import { readText } from './read_text.js';
import { makeFolder } from './make_folder.js';
import { removeAbandoned, temporaryName, writeAtomically } from './temporaries.js';

export class DataCache {
  private readonly folder: string;

  constructor(cacheDir: string) {
    this.folder = join(cacheDir, 'data');
  }

  /** Where the data set `key` lies or will lie. */
  path(key: string): string {
    return join(this.folder, key.slice(0, 32));
  }

  has(key: string): boolean {
    return isThere(join(this.path(key), 'manifest.json'));
  }

  /** The key that a signature of names, sizes and times was seen with; null where it is new. */
  seen(signature: string): string | null {
    const file = join(this.folder, 'seen', signature.slice(0, 32));
    try {
      const key = readText(file);
      // It becomes the name of a folder, which is removed where it is damaged: anything but a hash could be any folder's.
      return /^[0-9a-f]{64}$/.test(key) ? key : null;
    } catch {
      return null;
    }
  }

  /** What cannot be kept is found out anew the next time: a cache of somebody else's may be there to be read alone. */
  remember(signature: string, key: string): void {
    if (this.seen(signature) === key) return;
    try {
      writeAtomically(join(this.folder, 'seen', signature.slice(0, 32)), key);
    } catch (error) {
      if (errorCode(error) === null) throw error;
    }
  }

  /**
   * Makes the folder of `key`: `fill` writes into an empty folder, which then gets its name.
   * @throws data/cache-not-writable; nothing is left behind then.
   */
  async make(key: string, fill: (folder: string) => Promise<void>): Promise<void> {
    const place = this.path(key);
    const folder = this.guard(this.folder, () => {
      makeFolder(this.folder);
      removeAbandoned(this.folder, MAKING);
      requireReadable(place);
      const made = join(this.folder, temporaryName(MAKING));
      mkdirSync(made);
      return made;
    });
    try {
      await fill(folder);
      renameOver(folder, place);
    } catch (error) {
      throw isSystemError(error) ? this.refusal(folder, error) : error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  remove(key: string): void {
    this.guard(this.path(key), () => rmSync(this.path(key), { recursive: true, force: true }));
  }

  private guard<T>(folder: string, write: () => T): T {
    try {
      return write();
    } catch (error) {
      throw this.refusal(folder, error);
    }
  }

  private refusal(folder: string, error: unknown): Error {
    const { problem, remedy } = systemProblem(error);
    return cacheNotWritable({ folder, reason: problem, remedy }, { cause: error });
  }
}

const MAKING = '.making-';

/** Whether something is there as far as can be seen. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/** Throws what the system says where a data set is there and is another user's alone: it could neither be read nor replaced. */
function requireReadable(place: string): void {
  try {
    closeSync(openSync(join(place, 'manifest.json'), 'r'));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/**
 * A folder cannot replace one that is not empty: where that is whole, another process was faster, with the same content; where it is
 * not, somebody has removed a part of it.
 */
function renameOver(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (isThere(join(to, 'manifest.json'))) return;
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error) ?? '')) throw error;
    rmSync(to, { recursive: true, force: true });
    renameSync(from, to);
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
