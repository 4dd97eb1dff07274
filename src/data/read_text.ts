/** Reading a small text file that somebody else may have made. */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { errorCode, systemProblem } from '../ir/system_error.js';

/** Longest configuration, tokenizer or manifest that is read, bytes: the largest tokenizers that are published have 35 MB. */
const longestBytes = 128 * 2 ** 20;

/**
 * The text of a file. Throws an `Error` that says why where it is no ordinary file (a folder, a pipe, a device), or longer than any of
 * its kind.
 */
export function readText(file: string): string {
  try {
    // Looked at before it is opened: opening a pipe waits for a writer, and a device has no end.
    const status = statSync(file);
    if (!status.isFile()) throw new Error('it is not an ordinary file');
    if (status.size > longestBytes)
      throw new Error(`it has ${status.size} bytes, and no file of its kind has ${longestBytes}`);
    const content = readFileSync(file);
    if (!isUtf8(content)) throw new Error('it is not UTF-8 text');
    return content.toString('utf8');
  } catch (error) {
    const { problem, remedy } = systemProblem(error);
    if (remedy === null) throw error;
    throw Object.assign(new Error(problem, { cause: error }), { code: errorCode(error) });
  }
}
