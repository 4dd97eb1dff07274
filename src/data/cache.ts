/**
 * The data cache: folders named by the hash of what is in them.
 *
 *   CACHE/data/KEY/           manifest.json, tokenizer.json, train.bin, train.idx, validation.bin, validation.idx
 *   CACHE/data/seen/SIGN      the KEY that files with these names, sizes and times led to, so that a second start reads no text
 *
 * A folder is made under another name and renamed, so it is whole or absent; two processes that make the same one do not disturb
 * each other.
 */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheNotWritable } from './diagnostics.js';
import { readText } from './read_text.js';
import { makeFolder } from './make_folder.js';

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
    return existsSync(join(this.path(key), 'manifest.json'));
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

  remember(signature: string, key: string): void {
    this.guard(() => writeAtomically(join(this.folder, 'seen', signature.slice(0, 32)), key));
  }

  /**
   * Makes the folder of `key`: `fill` writes into an empty folder, which then gets its name.
   * @throws data/cache-not-writable; nothing is left behind then.
   */
  async make(key: string, fill: (folder: string) => Promise<void>): Promise<void> {
    const folder = this.guard(() => {
      makeFolder(this.folder);
      this.removeAbandoned();
      return mkdtempSync(join(this.folder, '.making-'));
    });
    try {
      await fill(folder);
      renameOver(folder, this.path(key));
    } catch (error) {
      throw isSystemError(error) ? cacheNotWritable({ folder, reason: error.message }, { cause: error }) : error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  remove(key: string): void {
    this.guard(() => rmSync(this.path(key), { recursive: true, force: true }));
  }

  /** What a process that was killed left: a day is longer than any preparation takes. */
  private removeAbandoned(): void {
    for (const name of readdirSync(this.folder).filter((name) => name.startsWith('.making-'))) {
      const folder = join(this.folder, name);
      const modified = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
      if (Date.now() - modified > 86_400_000) rmSync(folder, { recursive: true, force: true });
    }
  }

  private guard<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw cacheNotWritable({ folder: this.folder, reason }, { cause: error });
    }
  }
}

/** Writes a file that is either the old or the new one, never half of it. Makes its folder. */
export function writeAtomically(file: string, content: string): void {
  makeFolder(dirname(file));
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** A folder cannot replace one that is not empty; then another process was faster, with the same content. */
function renameOver(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(join(to, 'manifest.json'))) throw error;
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
