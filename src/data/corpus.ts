/** From files to documents: reading, and what is not text. */
import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { badJsonLine, dataNotText, dataUnreadable } from './diagnostics.js';
import type { SourceFile } from './find_files.js';
import { sha256 } from './hash.js';
import type { InParts } from './in_parts.js';

/** A text that is trained on as a whole; a separator token follows it. */
export interface Document {
  /** Identity: the file's path, with `:line` for a record of a .jsonl file. */
  readonly path: string;
  readonly text: string;
  /** Length in UTF-8. */
  readonly bytes: number;
}

/** A file that was left out, and why. */
export interface Skipped {
  readonly path: string;
  readonly reason: 'empty' | 'binary' | 'minified' | 'over the size limit';
}

/** A file as it was read. */
export interface ReadSource {
  readonly path: string;
  /** Of what was read of it: under a size limit its head. */
  readonly bytes: number;
  readonly sha256: string;
}

export interface Corpus {
  /** In the order of the files given. */
  readonly documents: readonly Document[];
  readonly skipped: readonly Skipped[];
  /** The files that documents came from, in the order given. */
  readonly sources: readonly ReadSource[];
  readonly bytes: number;
  /** SHA-256 over every document's path and content, in order. */
  readonly hash: string;
}

export interface ReadOptions {
  /** Most text to read, bytes. Files are chosen by the hash of their path, so that a capped corpus is a fair sample of the whole. */
  readonly max_bytes: number;
  /** The field of a .jsonl record that holds its text. */
  readonly field: string;
}

/**
 * Reads `files` into documents. Left out, and listed as skipped: empty files; binary ones (a zero byte in the first 8 KiB, as git
 * decides, or invalid UTF-8); minified source code (lines of 300 bytes and more on average; prose is never taken for that). A file
 * named one by one is refused, not skipped, where it is binary, and taken where it is minified. A byte-order mark is dropped.
 * @throws data/unreadable, data/not-text, data/bad-json-line.
 */
export function* readCorpus(files: readonly SourceFile[], options: ReadOptions): InParts<Corpus> {
  const documents: Document[] = [];
  const skipped: Skipped[] = [];
  const sources: ReadSource[] = [];
  const share = withinLimit(files, options.max_bytes);
  let bytes = 0;
  const read = (file: SourceFile) => {
    const skip = (reason: Skipped['reason']) => skipped.push({ path: file.path, reason });
    const limit = share.get(file) ?? 0;
    if (file.bytes === 0) return skip('empty');
    if (limit === 0) return skip('over the size limit');
    const content = readHead(file, limit);
    const binary = content.subarray(0, 8192).includes(0) ? 'zero bytes' : isUtf8(content) ? null : 'invalid UTF-8';
    if (binary) {
      if (file.named) throw dataNotText({ file: file.file, reason: binary });
      return skip('binary');
    }
    if (!file.named && isMinified(file.path, content)) return skip('minified');
    const text = content.toString('utf8').replace(/^\uFEFF/, '');
    const found = /\.jsonl$/i.test(file.path) ? jsonLines(file, text, options.field) : [{ path: file.path, text }];
    const before = documents.length;
    for (const { path, text } of found) {
      if (!/\S/.test(text)) continue;
      const document = { path, text, bytes: Buffer.byteLength(text) };
      documents.push(document);
      bytes += document.bytes;
    }
    if (documents.length === before) return skip('empty');
    sources.push({ path: file.path, bytes: content.length, sha256: sha256([text]) });
  };
  for (const [index, file] of files.entries()) {
    yield { done: index, total: files.length, unit: 'files' };
    read(file);
  }
  return { documents, skipped, sources, bytes, hash: sha256(documents.flatMap(({ path, text }) => [path, text])) };
}

/** How many bytes of each file fit: whole files by the hash of their path, and the head of the one that crosses the limit. */
function withinLimit(files: readonly SourceFile[], max_bytes: number): Map<SourceFile, number> {
  let total = 0;
  for (const file of files) total += file.bytes;
  if (total <= max_bytes) return new Map(files.map((file) => [file, file.bytes]));
  const chosen = files.map((file) => ({ file, key: sha256([file.path]) })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const share = new Map<SourceFile, number>();
  let left = max_bytes;
  for (const { file } of chosen) {
    share.set(file, Math.min(file.bytes, left));
    left -= Math.min(file.bytes, left);
  }
  return share;
}

/** The first `limit` bytes of a file; where that is not all of it, up to the last whole line (or character) within. */
function readHead({ file, bytes }: SourceFile, limit: number): Buffer {
  const content = Buffer.allocUnsafe(limit);
  let length = 0;
  try {
    const descriptor = openSync(file, 'r');
    try {
      for (let got = -1; got !== 0 && length < limit; length += got) {
        got = readSync(descriptor, content, length, limit - length, length);
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw dataUnreadable({ file, reason: error instanceof Error ? error.message : String(error) }, { cause: error });
  }
  if (limit >= bytes) return content.subarray(0, length);
  const line = content.lastIndexOf(10, length - 1) + 1;
  if (line > 0) return content.subarray(0, line);
  while (length > 0 && (content[length - 1] & 0xc0) === 0x80) length--; // continuation bytes, then the byte that leads them
  return content.subarray(0, Math.max(0, length - 1));
}

const PROSE = /\.(txt|text|md|markdown|rst|tex|org|adoc|jsonl)$/i;

function isMinified(path: string, content: Buffer): boolean {
  if (PROSE.test(path) || content.length < 4096) return false;
  let lines = 1;
  for (let at = content.indexOf(10); at >= 0; at = content.indexOf(10, at + 1)) lines++;
  return content.length / lines >= 300;
}

function jsonLines({ file, path }: SourceFile, text: string, field: string): { path: string; text: string }[] {
  const records: { path: string; text: string }[] = [];
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    const refuse = (reason: string) => badJsonLine({ file, line: index + 1, field, reason });
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : String(error));
    }
    if (typeof record !== 'object' || record === null) throw refuse('not an object');
    const value: unknown = Reflect.get(record, field);
    if (typeof value !== 'string') throw refuse(value === undefined ? 'no such field' : `it holds a ${typeof value}`);
    records.push({ path: `${path}:${index + 1}`, text: value });
  });
  return records;
}
