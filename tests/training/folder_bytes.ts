/** What a folder holds, to the byte: what a refusal must leave as it was. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

/** SHA-256 of every file below a folder, by its path there; of a folder, the word; of a link, where it leads. */
export function folderBytes(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(names.map((name) => [name, contentOf(path.join(folder, name))]));
}

function contentOf(file: string): string {
  const found = lstatSync(file);
  if (found.isDirectory()) return 'folder';
  if (found.isSymbolicLink()) return `link to ${readlinkSync(file)}`;
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
