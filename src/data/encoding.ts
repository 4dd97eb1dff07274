/**
 * Bytes as text. UTF-8, with or without a byte-order mark, and UTF-16 that begins with one (as Windows' shells write it) are read; of
 * anything else it is said what it is and where.
 */
import { isUtf8 } from 'node:buffer';
import { formatOf } from './decompress.js';
import type { Content } from './read_file.js';

/** UTF-8 without a mark, in whole characters; or why it is no text. */
export type Decoded = { readonly text: Buffer } | { readonly notText: string };

/** How far git looks for the zero byte that makes a file binary. */
const ZERO_BYTE_WITHIN = 8192;

export function decodeText({ bytes, isCut }: Content): Decoded {
  const format = formatOf(bytes);
  if (format !== null) return { notText: `it is ${format}` };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return fromUtf16(bytes.subarray(2), 'utf-16le', isCut);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return fromUtf16(bytes.subarray(2), 'utf-16be', isCut);
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = bytes.subarray(marked, isCut ? wholeCharacters(bytes) : bytes.length);
  const zero = text.subarray(0, ZERO_BYTE_WITHIN).indexOf(0);
  if (zero >= 0) return { notText: `zero bytes, the first at byte ${marked + zero}` };
  if (!isUtf8(text)) return { notText: `invalid UTF-8 at byte ${marked + firstInvalid(text)}` };
  return { text };
}

function fromUtf16(bytes: Buffer, encoding: 'utf-16le' | 'utf-16be', isCut: boolean): Decoded {
  const units = (isCut ? bytes.length - (bytes.length % 2) : bytes.length) / 2;
  const high = encoding === 'utf-16le' ? bytes[2 * units - 1] : bytes[2 * units - 2];
  // The first half of a pair, cut from its second.
  const whole = isCut && high >= 0xd8 && high < 0xdc ? units - 1 : units;
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes.subarray(0, 2 * whole));
    return text.includes('\0') ? { notText: 'zero bytes in UTF-16' } : { text: Buffer.from(text) };
  } catch {
    return { notText: 'it begins as UTF-16 and is not' };
  }
}

/** The length of what is there of whole characters: one that the end cuts through is left out. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Where the first byte is that begins no character of UTF-8 (Unicode 16, table 3-7). */
export function firstInvalid(bytes: Uint8Array): number {
  const follows = (at: number, least = 0x80, most = 0xbf) => bytes[at] >= least && bytes[at] <= most;
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at];
    if (byte < 0x80) at += 1;
    else if (byte >= 0xc2 && byte < 0xe0 && follows(at + 1)) at += 2;
    else if (byte >= 0xe0 && byte < 0xf0 && follows(at + 1, ...second(byte)) && follows(at + 2)) at += 3;
    else if (byte >= 0xf0 && byte < 0xf5 && follows(at + 1, ...second(byte)) && follows(at + 2) && follows(at + 3))
      at += 4;
    else return at;
  }
  return bytes.length;
}

/** What may come second: overlong forms, halves of pairs and numbers above U+10FFFF are none. */
function second(lead: number): [least: number, most: number] {
  if (lead === 0xe0) return [0xa0, 0xbf];
  if (lead === 0xed) return [0x80, 0x9f];
  if (lead === 0xf0) return [0x90, 0xbf];
  if (lead === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}
