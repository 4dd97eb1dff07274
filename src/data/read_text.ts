/** Reading a small text file that somebody else may have made. */
import { readFileSync, statSync } from 'node:fs';

/** Longest configuration, tokenizer or manifest that is read, bytes: the largest tokenizers that are published have 35 MB. */
const longestBytes = 128 * 2 ** 20;

/**
 * The text of a file. Throws an `Error` that says why where it is no ordinary file (a folder, a pipe, a device), or longer than any of
 * its kind.
 */
export function readText(file: string): string {
  // Looked at before it is opened: opening a pipe waits for a writer, and a device has no end.
  const status = statSync(file);
  if (!status.isFile()) throw new Error('it is not an ordinary file');
  if (status.size > longestBytes)
    throw new Error(`it has ${status.size} bytes, and no file of its kind has ${longestBytes}`);
  return readFileSync(file, 'utf8');
}

/**
 * JSON as a value; a byte-order mark before it is none of it. Throws an `Error` where it is none, or nests deeper than anything that is
 * written by hand or by a library.
 */
export function parseJson(text: string): unknown {
  return requireShallow(JSON.parse(text.replace(/^\uFEFF/, '')));
}

/** `value`, which was parsed. Throws an `Error` where it nests deeper than anything that is written by hand or by a library. */
export function requireShallow(value: unknown): unknown {
  if (nestsDeeper(value, deepest)) throw new Error(`it nests deeper than ${deepest} levels`);
  return value;
}

/** Levels. What reads a value walks it by recursion, which a few thousand levels end. */
const deepest = 64;

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((member) => nestsDeeper(member, levels - 1));
}
