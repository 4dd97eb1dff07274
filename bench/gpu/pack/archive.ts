/** Archives that Python's tarfile writes and reads, kept so that an unchanged part is not compressed again. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

export interface ArchiveEntry {
  /** Name in the archive. */
  readonly name: string;
  /** The file that it is. */
  readonly file: string;
}

/** Reads pairs of name and file as JSON. Two names of one file are stored once. */
const script = `
import json, sys, tarfile
with tarfile.open(sys.argv[1], "w:xz", preset=6) as archive:
    for name, file in json.load(sys.stdin):
        archive.add(file, name, recursive=False)
`;

/** Writes `target` (.tar.xz) with these entries, or copies it from `cache` where it was made of the same contents. Returns its bytes. */
export function writeArchive(target: string, entries: readonly ArchiveEntry[], cache: string): number {
  const name = path.basename(target, '.tar.xz');
  const kept = path.join(cache, `${name}-${hash(entries)}.tar.xz`);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    const input = JSON.stringify(entries.map(({ name, file }) => [name, file]));
    execFileSync('python3', ['-c', script, `${kept}.part`], { input, stdio: ['pipe', 'inherit', 'inherit'] });
    renameSync(`${kept}.part`, kept);
    for (const other of readdirSync(cache))
      if (other.startsWith(`${name}-`) && other !== path.basename(kept)) rmSync(path.join(cache, other));
  }
  copyFileSync(kept, target);
  return statSync(target).size;
}

/** Of names, modes and contents. */
function hash(entries: readonly ArchiveEntry[]): string {
  const sum = createHash('sha256');
  for (const { name, file } of entries)
    sum
      .update(`${name}\0${statSync(file).mode}\0`)
      .update(readFileSync(file))
      .update('\0');
  return sum.digest('hex').slice(0, 16);
}
