/**
 * Token files in Megatron-LM's format (megatron/core/datasets/indexed_dataset.py), readable by it and it by us.
 *
 *   PREFIX.bin   the tokens of all documents, one after another, uint16 or int32, little-endian
 *   PREFIX.idx   'MMIDIDX\0\0', u64 version = 1, u8 dtype (4 = int32, 8 = uint16), u64 sequences S, u64 length of the last table,
 *                S × i32 tokens per sequence, S × i64 byte offset in .bin, (D + 1) × i64 first sequence of each document, and S
 *
 * One of our documents is one sequence, its separator token at its end.
 *
 * Node has no memory map. A batch is read with positional reads instead: what a map would fault in page by page, one `pread` per
 * sequence copies from the same page cache (about 2 µs for 512 bytes), and resident memory stays what the batch needs.
 */
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { endianness } from 'node:os';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { dataUnreadable, idOutsideVocabulary, tokenFileCorrupt } from './diagnostics.js';
import type { InParts } from './in_parts.js';
import type { Encoding } from './tokenizer_interface.js';

const MAGIC = 'MMIDIDX\0\0';
const HEADER_BYTES = MAGIC.length + 8 + 1 + 8 + 8;
const INT32 = 4;
const UINT16 = 8;
/** Megatron's own border (`DType.optimal_dtype`). */
const UINT16_VOCAB = 65500;

export interface TokenFileSummary {
  readonly tokens: number;
  readonly documents: number;
}

/**
 * Writes PREFIX.bin and PREFIX.idx, one document after another, so that a corpus need not be in memory. Both appear under their
 * names complete, the index last: a file that has an index is whole.
 * @param documents token ids of each of `total` documents, its separator included; and rests between them.
 * @throws data/id-outside-vocabulary where an id is not below `vocab`.
 */
export function* writeTokenFile(
  prefix: string,
  documents: Iterable<Encoding>,
  { vocab, total }: { readonly vocab: number; readonly total: number },
): InParts<TokenFileSummary> {
  const dtype = vocab < UINT16_VOCAB ? UINT16 : INT32;
  const lengths: number[] = [];
  let tokens = 0;
  const bin = openSync(`${prefix}.bin.tmp`, 'w');
  try {
    for (const document of documents) {
      const how = { done: lengths.length, total, unit: 'documents' };
      if (!(document instanceof Int32Array)) {
        yield { ...how, ...document };
        continue;
      }
      yield how;
      requireIds(document, { file: `${prefix}.bin`, first: tokens, vocab });
      writeAll(bin, littleEndian(dtype === UINT16 ? Uint16Array.from(document) : document));
      lengths.push(document.length);
      tokens += document.length;
    }
  } finally {
    closeSync(bin);
  }
  writeFileSync(`${prefix}.idx.tmp`, encodeIndex(lengths, dtype));
  renameSync(`${prefix}.bin.tmp`, `${prefix}.bin`);
  renameSync(`${prefix}.idx.tmp`, `${prefix}.idx`);
  return { tokens, documents: lengths.length };
}

/** A token file, open for reading. */
export class TokenFile {
  readonly prefix: string;
  readonly tokens: number;
  /** Tokens of each document, the separator included. */
  readonly documentTokens: Int32Array;
  private readonly vocab: number;
  private readonly descriptor: number;
  private readonly dtype: number;
  private readonly itemBytes: number;
  /** Of each document, the position behind its last token; made when it is first asked for. */
  private documentEnds: Float64Array | null = null;

  private constructor(
    prefix: string,
    descriptor: number,
    index: { dtype: number; documentTokens: Int32Array; tokens: number },
    vocab: number,
  ) {
    this.prefix = prefix;
    this.vocab = vocab;
    this.descriptor = descriptor;
    this.dtype = index.dtype;
    this.itemBytes = index.dtype === UINT16 ? 2 : 4;
    this.tokens = index.tokens;
    this.documentTokens = index.documentTokens;
  }

  /**
   * @param vocab ids that are read are below it.
   * @throws data/token-file-corrupt where a file is missing, truncated or in another format.
   */
  static open(prefix: string, vocab = Infinity): TokenFile {
    const index = decodeIndex(`${prefix}.idx`);
    const descriptor = attempt(`${prefix}.bin`, () => openOrdinary(`${prefix}.bin`));
    const { size } = fstatSync(descriptor);
    const expected = index.tokens * (index.dtype === UINT16 ? 2 : 4);
    if (size !== expected) {
      closeSync(descriptor);
      throw tokenFileCorrupt({ file: `${prefix}.bin`, reason: `${size} bytes where its index says ${expected}` });
    }
    return new TokenFile(prefix, descriptor, index, vocab);
  }

  /** The `length` tokens from position `start`, written to `into` at `at`. @throws data/id-outside-vocabulary. */
  read(start: number, length: number, into = new Int32Array(length), at = 0): Int32Array {
    if (start < 0 || start + length > this.tokens) {
      throw new RangeError(`tokens ${start} to ${start + length} of ${this.prefix}, which has ${this.tokens}`);
    }
    const bytes = Buffer.allocUnsafeSlow(length * this.itemBytes); // unpooled: aligned for the typed views below
    for (let got = 0; got < bytes.length;) {
      const more = readSync(this.descriptor, bytes, got, bytes.length - got, start * this.itemBytes + got);
      if (more === 0)
        throw tokenFileCorrupt({ file: `${this.prefix}.bin`, reason: 'it became shorter while it was read' });
      got += more;
    }
    const values = this.dtype === UINT16 ? Uint16Array : Int32Array;
    littleEndian(bytes, this.itemBytes);
    into.set(new values(bytes.buffer, bytes.byteOffset, length), at);
    requireIds(into.subarray(at, at + length), { file: `${this.prefix}.bin`, first: start, vocab: this.vocab });
    return into;
  }

  /**
   * Of each of `length` tokens from `start` on: where its document begins and behind which token it ends, counted from `start` and as far as
   * that stretch goes.
   */
  documents(start: number, length: number): { readonly starts: Int32Array; readonly ends: Int32Array } {
    const [starts, ends] = [new Int32Array(length), new Int32Array(length)];
    const all = (this.documentEnds ??= runningSum(this.documentTokens));
    let document = firstAbove(all, start);
    for (let at = 0; at < length; document++) {
      const end = Math.min(length, (all[document] ?? Infinity) - start);
      starts.fill(at, at, end);
      ends.fill(end, at, end);
      at = end;
    }
    return { starts, ends };
  }

  /** Reads all tokens. @throws data/id-outside-vocabulary. */
  requireIds(): void {
    for (const piece of this.pieces()) void piece;
  }

  /** All tokens from first to last, in pieces. */
  *pieces(pieceTokens = 1 << 20): Generator<Int32Array> {
    for (let start = 0; start < this.tokens; start += pieceTokens) {
      yield this.read(start, Math.min(pieceTokens, this.tokens - start));
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

function runningSum(values: Int32Array): Float64Array {
  const sums = new Float64Array(values.length);
  values.reduce((sum, value, i) => (sums[i] = sum + value), 0);
  return sums;
}

/** The first index whose value is above `limit`, in rising values. */
function firstAbove(values: Float64Array, limit: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** `first`: the position of the first of `ids` in the file. */
function requireIds(ids: Int32Array, p: { file: string; first: number; vocab: number }): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] >= 0 && ids[i] < p.vocab) continue;
    throw idOutsideVocabulary({ file: p.file, position: p.first + i, id: ids[i], vocab: p.vocab });
  }
}

function encodeIndex(lengths: readonly number[], dtype: number): Buffer {
  const itemBytes = dtype === UINT16 ? 2 : 4;
  const index = Buffer.alloc(HEADER_BYTES + lengths.length * (4 + 8) + (lengths.length + 1) * 8);
  let at = index.write(MAGIC, 'latin1');
  at = index.writeBigUInt64LE(1n, at);
  at = index.writeUInt8(dtype, at);
  at = index.writeBigUInt64LE(BigInt(lengths.length), at);
  at = index.writeBigUInt64LE(BigInt(lengths.length + 1), at);
  for (const length of lengths) at = index.writeInt32LE(length, at);
  let offset = 0;
  for (const length of lengths) {
    at = index.writeBigInt64LE(BigInt(offset), at);
    offset += length * itemBytes;
  }
  for (let document = 0; document <= lengths.length; document++) at = index.writeBigInt64LE(BigInt(document), at);
  return index;
}

function decodeIndex(file: string): { dtype: number; documentTokens: Int32Array; tokens: number } {
  const index = attempt(file, () => {
    const descriptor = openOrdinary(file);
    try {
      return readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
  const refuse = (reason: string) => tokenFileCorrupt({ file, reason });
  if (index.length < HEADER_BYTES || index.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw refuse('no MMIDIDX header');
  let at = MAGIC.length;
  const version = index.readBigUInt64LE(at);
  const dtype = index.readUInt8(at + 8);
  const sequences = Number(index.readBigUInt64LE(at + 9));
  const ends = Number(index.readBigUInt64LE(at + 17));
  at = HEADER_BYTES;
  if (version !== 1n) throw refuse(`version ${version}, expected 1`);
  if (dtype !== UINT16 && dtype !== INT32) throw refuse(`dtype code ${dtype}, expected 4 (int32) or 8 (uint16)`);
  const expected = HEADER_BYTES + sequences * 12 + ends * 8;
  if (index.length < expected || ends < 1) throw refuse(`${index.length} bytes where its header says ${expected}`);
  const first = (document: number) => Number(index.readBigInt64LE(at + sequences * 12 + document * 8));
  const documentTokens = new Int32Array(ends - 1);
  let tokens = 0;
  for (let document = 0; document < ends - 1; document++) {
    const [from, to] = [first(document), first(document + 1)];
    if (from < 0 || to < from || to > sequences) throw refuse(`document ${document} is of sequences ${from} to ${to}`);
    for (let sequence = from; sequence < to; sequence++) {
      const length = index.readInt32LE(at + sequence * 4);
      if (length < 0) throw refuse(`sequence ${sequence} has ${length} tokens`);
      documentTokens[document] += length;
      tokens += length;
    }
  }
  return { dtype, documentTokens, tokens };
}

/** The bytes of `values` as the file has them. In place, and nothing to do on all but a few machines. */
function littleEndian(values: Uint16Array | Int32Array | Buffer, itemBytes?: number): Buffer {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  if (endianness() === 'LE') return bytes;
  return (itemBytes ?? values.BYTES_PER_ELEMENT) === 2 ? bytes.swap16() : bytes.swap32();
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
}

/** Of a file of prepared data: that it is damaged or gone, or, where it may be whole, why it cannot be read now. */
export function preparedUnreadable(file: string, error: unknown): DiagnosticError {
  const { problem: reason, remedy } = systemProblem(error);
  const isWhole = ['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'EIO', 'ENOMEM', 'ESTALE'].includes(errorCode(error) ?? '');
  return isWhole
    ? dataUnreadable({ file, reason, remedy }, { cause: error })
    : tokenFileCorrupt({ file, reason }, { cause: error });
}

/** Opens a file to read. Throws an `Error` where it is a pipe, a device or a folder: opening those waits, or reads without end. */
function openOrdinary(file: string): number {
  if (!statSync(file).isFile()) throw new Error('it is not an ordinary file');
  return openSync(file, 'r');
}

function attempt<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw preparedUnreadable(file, error);
  }
}
