import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** SHA-256 in hexadecimal, of a text in UTF-8. */
export const textHash = (text: string): string => createHash('sha256').update(text).digest('hex');

/** SHA-256 in hexadecimal, of a file's bytes. */
export const fileHash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
