/**
 * Text that is compressed: gzip (RFC 1952, any number of members) and Zstandard (RFC 8878, any number of frames), recognised by their
 * first bytes and not by a name. What is decompressed comes in pieces, so that whoever has enough stops there: a few kilobytes that stand
 * for terabytes cost no more than the limit of whoever reads them.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ZSTDDecoder } from 'zstddec/stream';

export type Compression = 'gzip' | 'zstd';

/** Endings of names that are left out where a name says what the text in a file is: `pages.jsonl.gz`. */
const ENDINGS = /\.(gz|gzip|zst|zstd)$/i;

/** A path without the ending that says how it is compressed. */
export const withoutCompression = (path: string): string => path.replace(ENDINGS, '');

/** How a file is compressed that begins with `head` (4 bytes are enough); null where it is not, or in a way that is not read. */
export function compressionOf(head: Uint8Array): Compression | null {
  if (startsWith(head, [0x1f, 0x8b])) return 'gzip';
  if (startsWith(head, [0x28, 0xb5, 0x2f, 0xfd])) return 'zstd';
  // A frame that is skipped, which may come first (section 3.1.2).
  if (head.length >= 4 && (head[0] & 0xf0) === 0x50 && startsWith(head.subarray(1), [0x2a, 0x4d, 0x18])) return 'zstd';
  return null;
}

/** What a file that is no text is, by how it begins; null where that is not known. */
export function formatOf(head: Uint8Array): string | null {
  for (const [name, bytes] of Object.entries(formats)) if (startsWith(head, bytes)) return name;
  return isTape(head) ? 'a tar archive' : null;
}

/**
 * Whether it begins with the header of a tape archive, of any kind: a block of 512 bytes whose sum, its own field counted as spaces, stands
 * in it as octal digits (POSIX.1-1988, ustar; tar of Unix V7 has no mark, and the same sum).
 */
function isTape(head: Uint8Array): boolean {
  const [begin, end] = [148, 156];
  if (head.length < 512) return false;
  const digits = /^ *([0-7]{1,7})[ \0]/.exec(Buffer.from(head.subarray(begin, end)).toString('latin1'));
  if (digits === null) return false;
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at++) if (at < begin || at >= end) sum += head[at];
  return sum === Number.parseInt(digits[1], 8);
}

const ascii = (text: string) => [...Buffer.from(text, 'latin1')];

const formats: Readonly<Record<string, readonly number[]>> = {
  'a Parquet file': ascii('PAR1'),
  'an Arrow file': ascii('ARROW1'),
  'a zip archive': ascii('PK\x03\x04'),
  'an xz file': ascii('\xfd7zXZ'),
  'a bzip2 file': ascii('BZh'),
  'an lz4 file': [0x04, 0x22, 0x4d, 0x18],
  'a PDF document': ascii('%PDF-'),
  'a 7-Zip archive': ascii('7z\xbc\xaf\x27\x1c'),
  'a RAR archive': ascii('Rar!\x1a\x07'),
  'an archive of ar': ascii('!<arch>\n'),
  'a PNG picture': ascii('\x89PNG'),
  'a JPEG picture': [0xff, 0xd8, 0xff],
  'an HDF5 file': ascii('\x89HDF'),
  'a NumPy array': ascii('\x93NUMPY'),
  'an SQLite database': ascii('SQLite format 3'),
};

const startsWith = (head: Uint8Array, bytes: readonly number[]): boolean => bytes.every((byte, i) => head[i] === byte);

/**
 * Decompresses what comes in `chunks`, which are none of them empty. Throws an `Error` that says why where it is damaged or ends too
 * early, after what could be had of it.
 */
export function decompress(chunks: Iterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  return compression === 'gzip' ? gunzipped(chunks) : unzstd(chunks);
}

async function* gunzipped(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  // Whoever stops reading ends both; what goes wrong is thrown where they are read.
  pipeline(Readable.from(chunks, { objectMode: true }), gunzip, () => {});
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } catch (error) {
    const { message } = error as Error;
    if (/^(unexpected end|incorrect|invalid|unknown|premature|header crc)/i.test(message))
      throw new Error(`it is damaged gzip, or ends too early: ${message}`, { cause: error });
    throw error;
  }
}

async function* unzstd(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new ZSTDDecoder();
  await decoder.init();
  // The decoder does not tell of damage: it makes no headway any more. Every call that does takes a byte or more, or gives some.
  let idleCalls = 0;
  let given = 0;
  function* taken(): Generator<Uint8Array> {
    for (const chunk of chunks) {
      [idleCalls, given] = [0, chunk.length];
      yield chunk;
    }
  }
  try {
    for (const piece of decoder.decodeStreaming(taken())) {
      if (piece.length === 0 && ++idleCalls > given + 1) throw new Error('its content or a checksum is wrong');
      if (piece.length > 0) yield piece;
    }
  } catch (error) {
    const { message } = error as Error;
    if ('code' in (error as Error)) throw error;
    throw new Error(`it is damaged Zstandard, or ends too early: ${message}`, { cause: error });
  }
}
