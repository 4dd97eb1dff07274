/** The bytes of one file of a corpus, decompressed, up to a limit. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemProblem } from '../ir/system_error.js';
import { compressionOf, decompress } from './decompress.js';
import { dataUnreadable } from './diagnostics.js';
import type { SourceFile } from './find_files.js';

export interface Content {
  readonly bytes: Buffer;
  /** Whether the file has more than `bytes`. */
  readonly isCut: boolean;
}

/** Bytes of a file that are read at once. */
const CHUNK = 1 << 18;

/**
 * The first `limit` bytes of what is in a file, or all of it. `onRead` is told of each piece the bytes of the file that were read so far, and may rest.
 * @throws data/unreadable, also where it is damaged.
 */
export async function readContent(
  { file }: SourceFile,
  limit: number,
  onRead: (fileBytes: number) => Promise<void>,
): Promise<Content> {
  let descriptor: number | null = null;
  try {
    // A pipe that has taken the file's place meanwhile is not waited for.
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if (!fstatSync(descriptor).isFile()) throw new Error('it is not an ordinary file');
    return await readFrom(descriptor, limit, onRead);
  } catch (error) {
    const { problem, remedy } = systemProblem(error);
    throw dataUnreadable({ file, reason: problem, remedy }, { cause: error });
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

async function readFrom(
  descriptor: number,
  limit: number,
  onRead: (fileBytes: number) => Promise<void>,
): Promise<Content> {
  let fileBytes = 0;
  function* chunks(): Generator<Buffer> {
    for (;;) {
      const chunk = Buffer.allocUnsafeSlow(CHUNK);
      const got = readSync(descriptor, chunk, 0, CHUNK, fileBytes);
      if (got === 0) return;
      fileBytes += got;
      yield chunk.subarray(0, got);
    }
  }
  const head = Buffer.alloc(4);
  const compression = compressionOf(head.subarray(0, readSync(descriptor, head, 0, 4, 0)));
  const taken = new Taken(limit, compression === null ? fstatSync(descriptor).size : 0);
  for await (const piece of compression === null ? chunks() : decompress(chunks(), compression)) {
    if (!taken.add(piece)) return { bytes: taken.bytes(), isCut: true };
    await onRead(fileBytes);
  }
  return { bytes: taken.bytes(), isCut: false };
}

/** Pieces put together in one buffer, which grows where its size was not known. */
class Taken {
  private readonly limit: number;
  private buffer: Buffer;
  private length = 0;

  constructor(limit: number, expected: number) {
    this.limit = limit;
    this.buffer = Buffer.allocUnsafe(Math.min(limit, expected));
  }

  /** False where not all of it fits within the limit; what does is taken. */
  add(piece: Uint8Array): boolean {
    const fits = Math.min(piece.length, this.limit - this.length);
    if (this.length + fits > this.buffer.length) {
      const larger = Math.min(this.limit, Math.max(this.length + fits, 2 * this.buffer.length));
      const grown = Buffer.allocUnsafe(larger);
      grown.set(this.buffer.subarray(0, this.length));
      this.buffer = grown;
    }
    this.buffer.set(piece.subarray(0, fits), this.length);
    this.length += fits;
    return fits === piece.length;
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}
