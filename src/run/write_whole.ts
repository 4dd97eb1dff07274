import { constants, closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { folderNotMade } from './diagnostics.js';

/** As {@link replaceFile}. Throws `run/folder-not-written`; the old file is then as it was. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  try {
    replaceFile(path, content);
  } catch (error) {
    throw folderNotMade({ path, ...systemProblem(error) }, { cause: error });
  }
}

/**
 * Replaces a file whole: a reader sees the old one or the new one, and so does whoever looks after a power cut. A link that stands under
 * the name that is used on the way is not followed. Throws what the system says; the old file is then as it was.
 */
function replaceFile(path: string, content: string | Uint8Array): void {
  const partial = `${path}.tmp`;
  removeFile(partial);
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  const file = openSync(partial, O_WRONLY | O_CREAT | O_EXCL, 0o666);
  try {
    const bytes = Buffer.from(content);
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

/** Removes a file, or a link itself; nothing happens where there is none. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
