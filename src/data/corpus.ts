/** From files to documents: reading, what are records, and what is not text. */
import { createHash } from 'node:crypto';
import { badJsonLine, dataNotText } from './diagnostics.js';
import { withoutCompression } from './decompress.js';
import { decodeText } from './encoding.js';
import type { SourceFile } from './find_files.js';
import { sha256 } from './hash.js';
import { Rests, withRests, type HowFar, type Tell } from './in_parts.js';
import { readContent } from './read_file.js';
import { namedAs, readRecords, type NamedAs, type RecordText, type Records } from './records.js';
import { isWordNet, wordNetDocuments } from './wordnet.js';
import { counted } from '../ir/units.js';

/** A text that is trained on as a whole; a separator token follows it. */
export interface Document {
  /** Identity: the file's path, with `:line` or `#number` for a record. */
  readonly path: string;
  readonly text: string;
  /** Length in UTF-8. */
  readonly bytes: number;
}

/** A file that was left out, and why. */
export interface Skipped {
  readonly path: string;
  readonly reason: 'empty' | 'binary' | 'minified' | 'over the size limit' | 'JSON without records';
  /** More of it, as where it is no text. */
  readonly detail?: string;
}

/** A file as it was read. */
export interface ReadSource {
  readonly path: string;
  /** Of what was read of it, decompressed: under a size limit its head. */
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
  /** What a user may want to know of how files were read: records left out, text that looks like records. */
  readonly notices: readonly string[];
}

export interface ReadOptions {
  /**
   * Most text to read, bytes, decompressed. Files are chosen by the hash of their path, so that a capped corpus is a fair sample of the
   * whole; of the one that crosses the limit whole records or lines are read.
   */
  readonly max_bytes: number;
  /** The field of a record that holds its text: see `records.ts`. */
  readonly field: string;
}

/**
 * Reads `files` into documents. Left out, and listed as skipped: empty files; binary ones (a zero byte in the first 8 KiB, as git
 * decides, or invalid UTF-8); minified source code (lines of 300 bytes and more on average; prose is never taken for that); .json files
 * that are no records. A file named one by one is refused, not skipped, where it is binary or no records, and taken where it is minified.
 * A byte-order mark is dropped.
 * @throws data/unreadable, data/not-text, data/bad-json-line.
 */
export async function readCorpus(
  files: readonly SourceFile[],
  options: ReadOptions,
  tell: Tell = () => {},
): Promise<Corpus> {
  let total = 0;
  for (const file of files) total += file.bytes;
  const rest = new Rests(tell);
  const results = new Map<SourceFile, FileResult>();
  let [begun, left] = [0, options.max_bytes];
  for (const file of byHash(files)) {
    const how = (fileBytes: number): HowFar => ({ done: begun + fileBytes, total, unit: 'bytes', at: file.path });
    const onRead = async (fileBytes: number) => {
      if (rest.isDue) await rest.take(how(fileBytes));
    };
    const onRecord = () => tell(how(file.bytes));
    const result = await readFile(file, { ...options, max_bytes: left }, { onRead, onRecord });
    await onRead(file.bytes);
    results.set(file, result);
    left -= result.taken;
    begun += file.bytes;
  }
  const inOrder = files.map((file) => results.get(file)!);
  const documents = inOrder.flatMap(({ documents }) => documents);
  return {
    documents,
    skipped: inOrder.flatMap(({ skipped }) => skipped ?? []),
    sources: inOrder.flatMap(({ source }) => source ?? []),
    bytes: documents.reduce((sum, { bytes }) => sum + bytes, 0),
    hash: await hashOf(documents, rest),
    notices: noticesOf(inOrder, options.field),
  };
}

/** The order in which files are read while there is room. */
function byHash(files: readonly SourceFile[]): readonly SourceFile[] {
  return files
    .map((file) => ({ file, key: sha256([file.path]) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ file }) => file);
}

interface FileResult {
  readonly path: string;
  readonly documents: readonly Document[];
  readonly skipped: Skipped | null;
  readonly source: ReadSource | null;
  /** As which it was read; null where it was read as text that does not look like records. */
  readonly records: Records | null;
  /** Why it is text although it begins as records do; null where it does not. */
  readonly textSince: string | null;
  /** Bytes of the limit that it has used up. */
  readonly taken: number;
}

async function readFile(
  file: SourceFile,
  { max_bytes, field }: ReadOptions,
  progress: { readonly onRead: (fileBytes: number) => Promise<void>; readonly onRecord: () => void },
): Promise<FileResult> {
  const { path } = file;
  const nothing = { path, documents: [], source: null, records: null, textSince: null };
  const skip = (taken: number, reason: Skipped['reason'], detail?: string): FileResult => ({
    ...nothing,
    skipped: { path, reason, ...(detail !== undefined && { detail }) },
    taken,
  });
  if (file.bytes === 0) return skip(0, 'empty');
  if (max_bytes === 0) return skip(0, 'over the size limit');
  const content = await readContent(file, max_bytes, progress.onRead);
  // The file that crosses the limit is the last.
  const taken = content.isCut ? max_bytes : content.bytes.length;
  const decoded = decodeText(content);
  if ('notText' in decoded) {
    if (file.named) throw dataNotText({ file: file.file, reason: decoded.notText });
    return skip(taken, 'binary', decoded.notText);
  }
  const { text } = decoded;
  const named = namedAs(path);
  if (!file.named && named === 'other' && isMinified(path, text)) return skip(taken, 'minified');

  const read = await withRests(readRecords(text, { field, namedAs: named, isCut: content.isCut }), progress.onRecord);
  const records = chosen(read, { file, named, field, isBlank: !text.some((byte) => byte > 0x20) });
  if (records === 'left out') return skip(taken, 'JSON without records', read?.bad?.reason);
  const whole = text.toString('utf8', 0, records === null && content.isCut ? lastLineEnd(text) : text.length);
  const texts = records?.texts ?? textsOf(path, whole);
  const documents = texts
    .filter(({ text }) => /\S/.test(text))
    .map(({ name, text }) => ({ path: `${path}${name}`, text, bytes: Buffer.byteLength(text) }));
  const textSince = records === null && read?.beginsWithObject ? (read.bad?.reason ?? null) : null;
  const result = { path, documents, records, textSince, taken };
  if (documents.length === 0)
    return { ...result, source: null, skipped: { path, reason: content.isCut ? 'over the size limit' : 'empty' } };
  return { ...result, skipped: null, source: { path, bytes: content.bytes.length, sha256: sha256([whole]) } };
}

/** The documents of a file that is no records: one, but for a dictionary. */
const textsOf = (path: string, text: string): readonly RecordText[] =>
  isWordNet(path, text) ? wordNetDocuments(text) : [{ name: '', text }];

/** What a file is read as: records, text (null), or nothing. Throws `data/bad-json-line` where it must be records. */
function chosen(
  read: Records | null,
  p: { readonly file: SourceFile; readonly named: NamedAs; readonly field: string; readonly isBlank: boolean },
): Records | null | 'left out' {
  const { file, named, field } = p;
  if (named === 'other') return read === null || read.bad !== null || read.records === 0 ? null : read;
  if (p.isBlank || (read !== null && read.bad === null)) return read;
  const bad = read?.bad ?? { count: 1, first: 1, reason: 'it begins with neither an object nor a list', meant: null };
  // In a folder of other things a .json file may be a setting of some tool.
  const first = read === null || read.texts.length === 0;
  if (named === 'json' && !file.named && first) return 'left out';
  throw badJsonLine({ file: file.file, field, records: read?.records ?? 1, line: bad.first, ...bad });
}

/** The end of the last whole line; that of the text where no line ends in it. */
function lastLineEnd(text: Buffer): number {
  const end = text.lastIndexOf(10) + 1;
  return end > 0 ? end : text.length;
}

const PROSE = /\.(txt|text|md|markdown|rst|tex|org|adoc)$/i;

function isMinified(path: string, text: Buffer): boolean {
  if (PROSE.test(withoutCompression(path)) || text.length < 4096) return false;
  let lines = 1;
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) lines++;
  return text.length / lines >= 300;
}

/** As `sha256` of a list of each path and text. */
async function hashOf(documents: readonly Document[], rest: Rests): Promise<string> {
  const hash = createHash('sha256');
  for (const [done, { path, text }] of documents.entries()) {
    for (const part of [path, text]) hash.update(`${part.length}:`).update(part);
    if (rest.isDue) await rest.take({ done, total: documents.length, unit: 'documents', at: path });
  }
  return hash.digest('hex');
}

/** Of so many files it is said by name that they are read otherwise than they look. */
const namedInNotice = 3;

function noticesOf(results: readonly FileResult[], field: string): readonly string[] {
  const records = results.reduce((sum, { records }) => sum + (records?.records ?? 0), 0);
  const leftOut = (kind: 'nulls' | 'blanks', is: string): readonly string[] => {
    const having = results.filter((result) => result.records?.[kind]);
    if (having.length === 0) return [];
    const count = having.reduce((sum, result) => sum + result.records![kind]!.count, 0);
    const [{ path, line }] = having.map((one) => ({ path: one.path, line: one.records![kind]!.first }));
    return [`${count} of ${counted(records, 'record')} left out: '${field}' is ${is} (first: ${path}, line ${line})`];
  };
  const asText = results.filter(({ textSince }) => textSince !== null);
  const more = asText.length - namedInNotice;
  return [
    ...leftOut('nulls', 'null'),
    ...leftOut('blanks', 'empty'),
    ...asText
      .slice(0, namedInNotice)
      .map((one) => `${one.path} begins as JSON records do, and is read as text: ${one.textSince}`),
    ...(more > 0 ? [`and ${more} more files that begin so are read as text`] : []),
  ];
}
