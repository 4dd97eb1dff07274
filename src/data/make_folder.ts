import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorCode } from '../ir/system_error.js';

/**
 * Makes a folder, and those that it is in, or none of them; nothing happens where it is there. Throws what the system says: Node's own recursive way
 * never ends below a folder that can hold none and says of each new one that its parent is missing, as /proc does.
 */
export function makeFolder(path: string, mode?: number): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  for (const one of missing) {
    try {
      mkdirSync(one, mode);
      made.unshift(one);
    } catch (error) {
      // Another process may have made it in between.
      if (errorCode(error) === 'EEXIST') continue;
      removeEmpty(made);
      throw error;
    }
  }
  // Where something else has the name, the system says so.
  if (missing.length === 0) mkdirSync(path, { recursive: true });
}

/** From the innermost out, as far as nobody has put anything into them. */
function removeEmpty(folders: readonly string[]): void {
  try {
    for (const folder of folders) rmdirSync(folder);
  } catch {
    // Another process has begun to use it.
  }
}
