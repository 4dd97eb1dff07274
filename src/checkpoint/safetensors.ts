/**
 * The safetensors format (Hugging Face), written as a stream and read in parts.
 *
 *   8 bytes   N, the header's size: unsigned, little-endian
 *   N bytes   JSON, padded with spaces so that the data starts at a multiple of 8:
 *             { "__metadata__": {string: string}, "tensor name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, … }
 *   the rest  the tensors' bytes, row-major, little-endian; offsets count from the start of this part, leave no hole and
 *             do not overlap
 *
 * Tensors are laid out by element size, largest first, then by name, as the format's own writer does, so every tensor is
 * aligned to its element.
 *
 * Source: github.com/huggingface/safetensors, README "Format" and `validate` in safetensors/src/tensor.rs (revision of 0.4).
 */
import { createHash } from 'node:crypto';
import { nearest } from '../ir/diagnostic.js';
import { fileCorrupt, nameTwice, sourceBytes, unknownTensor } from './diagnostics.js';
import type { Disk, ReadableFile } from './disk.js';
import type { StoredDType, TensorInfo, TensorSource } from './tensor.js';
import { clip, storedDTypeBytes, tensorBytes, tensorText } from './tensor.js';

/** A tensor with its place in a file, in bytes from the file's start. */
export interface StoredTensor extends TensorInfo {
  readonly begin: number;
  readonly end: number;
}

export interface WrittenFile {
  readonly bytes: number;
  /** Of the whole file, as `sha256sum` prints it. */
  readonly sha256: string;
  /** Tensor name → hash of its bytes. */
  readonly tensors: ReadonlyMap<string, string>;
}

/**
 * Writes a file and syncs it. Memory: one chunk of one source. Sources are read one after the other, in file order.
 * Throws `checkpoint/name-twice`, `checkpoint/source-bytes`, and what the disk throws.
 */
export async function writeSafetensors(
  disk: Disk,
  path: string,
  sources: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<WrittenFile> {
  const { header, ordered } = layOut(sources, metadata);
  const file = await disk.create(path);
  try {
    const whole = createHash('sha256').update(header);
    await file.write(header);
    let bytes = header.length;
    const tensors = new Map<string, string>();
    for (const source of ordered) {
      const expected = tensorBytes(source);
      const hash = createHash('sha256');
      let given = 0;
      for await (const chunk of source.read()) {
        given += chunk.length;
        if (given > expected) throw sourceBytes({ tensor: source.name, expected, given });
        hash.update(chunk);
        whole.update(chunk);
        await file.write(chunk);
      }
      if (given !== expected) throw sourceBytes({ tensor: source.name, expected, given });
      tensors.set(source.name, hash.digest('hex'));
      bytes += given;
    }
    await file.sync();
    return { bytes, sha256: whole.digest('hex'), tensors };
  } finally {
    await file.close();
  }
}

/** Bytes that {@link writeSafetensors} will write. */
export function safetensorsBytes(
  tensors: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): number {
  return layOut(tensors, metadata).header.length + tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

/** An open file. Nothing but the header is in memory. */
export class SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #dataBegin: number;
  readonly #file: ReadableFile;

  constructor(path: string, header: Header, file: ReadableFile) {
    this.path = path;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
    this.#dataBegin = header.dataBegin;
    this.#file = file;
  }

  /** A tensor's place, or `checkpoint/unknown-tensor` with the nearest name. */
  tensor(name: string): StoredTensor {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor;
    throw unknownTensor({ file: this.path, tensor: name, nearest: nearest(name, this.tensors.keys()) });
  }

  /** Bytes [begin, end) of one tensor; all of it by default. */
  async read(name: string, begin = 0, end?: number): Promise<Uint8Array> {
    const tensor = this.tensor(name);
    const stop = end ?? tensor.end - tensor.begin;
    if (begin < 0 || stop < begin || tensor.begin + stop > tensor.end) {
      throw new RangeError(
        `bytes [${begin}, ${stop}) are outside tensor '${name}' of ${tensor.end - tensor.begin} bytes`,
      );
    }
    const bytes = await this.#file.read(tensor.begin + begin, tensor.begin + stop);
    if (bytes.length === stop - begin) return bytes;
    throw fileCorrupt({ file: this.path, tensor: name, problem: 'the file has become shorter since it was opened' });
  }

  /** One tensor from its start, in chunks. */
  async *stream(name: string, chunkBytes = defaultChunkBytes): AsyncIterable<Uint8Array> {
    const { begin, end } = this.tensor(name);
    for (let at = 0; at < end - begin; at += chunkBytes) {
      yield await this.read(name, at, Math.min(at + chunkBytes, end - begin));
    }
  }

  /** One tensor as what {@link writeSafetensors} takes. */
  source(name: string): TensorSource {
    const { dtype, shape } = this.tensor(name);
    return { name, dtype, shape, read: () => this.stream(name) };
  }

  /** Reads the whole file once, for the hashes that {@link writeSafetensors} returned. */
  async hashes(): Promise<Pick<WrittenFile, 'sha256' | 'tensors'>> {
    const inOrder = [...this.tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
    const header = await this.#file.read(0, this.#dataBegin);
    const whole = createHash('sha256').update(header);
    const tensors = new Map<string, string>();
    for (const { name } of inOrder) {
      const hash = createHash('sha256');
      for await (const chunk of this.stream(name)) {
        hash.update(chunk);
        whole.update(chunk);
      }
      tensors.set(name, hash.digest('hex'));
    }
    return { sha256: whole.digest('hex'), tensors };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Opens a file and checks all that its header says against the file's size. Throws `checkpoint/file-corrupt`. */
export async function openSafetensors(disk: Disk, path: string): Promise<SafetensorsFile> {
  const file = await disk.open(path);
  try {
    return new SafetensorsFile(path, await readHeader(path, file), file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

export interface Header {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the tensors' bytes begin. */
  readonly dataBegin: number;
}

const prefixBytes = 8;
const alignmentBytes = 8;
/** The format's own limit, against files that make a reader allocate without end. */
const maxHeaderBytes = 100_000_000;
const defaultChunkBytes = 4 << 20;

/** Header bytes (prefix included) and the tensors in file order. */
function layOut<T extends TensorInfo>(tensors: readonly T[], metadata: Readonly<Record<string, string>>) {
  const ordered = [...tensors].sort(
    (a, b) => storedDTypeBytes[b.dtype] - storedDTypeBytes[a.dtype] || (a.name < b.name ? -1 : 1),
  );
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  const seen = new Set(['__metadata__']);
  let offset = 0;
  for (const { name, dtype, shape } of ordered) {
    if (seen.has(name)) throw nameTwice({ tensor: name });
    seen.add(name);
    const end = offset + tensorBytes({ dtype, shape });
    header.push([name, { dtype: dtype.toUpperCase(), shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(json.length / alignmentBytes) * alignmentBytes;
  const bytes = new Uint8Array(prefixBytes + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, prefixBytes);
  return { header: bytes, ordered };
}

async function readHeader(path: string, file: ReadableFile): Promise<Header> {
  const corrupt = (problem: string, tensor?: string, cause?: unknown) =>
    fileCorrupt({ file: path, problem, ...(tensor !== undefined && { tensor }) }, { cause });

  if (file.bytes < prefixBytes) throw corrupt(`it has ${file.bytes} bytes, and a header begins with 8`);
  const prefix = await file.read(0, prefixBytes);
  const stated = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getBigUint64(0, true);
  if (stated > BigInt(maxHeaderBytes)) throw corrupt(`its header claims ${stated} bytes, more than the format allows`);
  const headerBytes = Number(stated);
  const dataBegin = prefixBytes + headerBytes;
  if (dataBegin > file.bytes) {
    throw corrupt(
      `its header should have ${headerBytes} bytes, and the file ends after ${file.bytes - prefixBytes} of them`,
    );
  }

  let json: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.read(prefixBytes, dataBegin));
    if (!text.startsWith('{')) throw new SyntaxError(`begins with ${JSON.stringify(text.slice(0, 1))} and not with {`);
    json = JSON.parse(text);
  } catch (error) {
    throw corrupt(`its header is not JSON: ${clip((error as Error).message)}`, undefined, error);
  }

  const tensors = new Map<string, StoredTensor>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, entry] of Object.entries(json as object)) {
    if (name === '__metadata__') {
      if (!isStringRecord(entry)) throw corrupt('its __metadata__ is not a map from strings to strings');
      metadata = entry;
      continue;
    }
    const tensor = parseEntry(name, entry, dataBegin);
    if (typeof tensor === 'string') throw corrupt(tensor, clip(name));
    tensors.set(name, tensor);
  }

  // Offsets must tile the data: no hole, no overlap, nothing after the end.
  let end = dataBegin;
  let before = 'the header';
  for (const tensor of [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (tensor.begin < end) throw corrupt(`its bytes overlap those of ${before}`, tensor.name);
    if (tensor.begin > end)
      throw corrupt(`${tensor.begin - end} bytes between it and ${before} belong to no tensor`, tensor.name);
    if (tensor.end > file.bytes) {
      throw corrupt(
        `the file is truncated: it ends ${tensor.end - file.bytes} bytes before the tensor does`,
        tensor.name,
      );
    }
    end = tensor.end;
    before = `'${tensor.name}'`;
  }
  if (end !== file.bytes) throw corrupt(`${file.bytes - end} bytes after ${before} belong to no tensor`);
  return { tensors, metadata, dataBegin };
}

/** A header's entry, or what is wrong with it. */
function parseEntry(name: string, entry: unknown, dataBegin: number): StoredTensor | string {
  if (typeof entry !== 'object' || entry === null) return 'its header entry is not an object';
  const { dtype: stated, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  const dtype = typeof stated === 'string' ? (stated.toLowerCase() as StoredDType) : null;
  if (dtype === null || !Object.hasOwn(storedDTypeBytes, dtype)) return `its dtype ${quoted(stated)} is not known`;
  if (!isSizes(shape)) return `its shape ${quoted(shape)} is not a list of sizes`;
  if (!isSizes(offsets) || offsets.length !== 2) return `its data_offsets ${quoted(offsets)} are not two sizes`;
  const bytes = tensorBytes({ dtype, shape });
  if (offsets[1] - offsets[0] !== bytes) {
    return `its data_offsets hold ${offsets[1] - offsets[0]} bytes, ${tensorText({ dtype, shape })} has ${bytes}`;
  }
  return { name, dtype, shape, begin: dataBegin + offsets[0], end: dataBegin + offsets[1] };
}

const quoted = (value: unknown): string => clip(JSON.stringify(value) ?? 'nothing');

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

const isStringRecord = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string');
