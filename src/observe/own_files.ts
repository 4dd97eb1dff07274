/** What a run reads again is not written over. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { runFileNames, runFolderNames } from '../run/folder.js';

/** Throws an `Error` that says whose it is where `path` is a file of a run, but for those `allowed`. */
export function requireNoRunFile(path: string, allowed: readonly string[]): void {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if (!existsSync(join(at, 'config.json')) || !existsSync(join(at, 'run.json'))) continue;
    const [first] = relative(at, path).split(sep);
    const own = [...runFileNames, ...runFolderNames].find((name) => name === first);
    if (own !== undefined && !allowed.includes(own)) throw new Error(`it is the ${own} of the run in ${at}`);
  }
}
