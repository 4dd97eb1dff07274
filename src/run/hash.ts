import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';

/** SHA-256 in hexadecimal, of a text in UTF-8. */
export const textHash = (text: string): string => createHash('sha256').update(text).digest('hex');

/** SHA-256 in hexadecimal, of a file's bytes. Throws where it is no ordinary file: a pipe would be waited for, and a device has no end. */
export function fileHash(file: string): string {
  if (!statSync(file).isFile()) throw new Error(`${file} is not an ordinary file`);
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
