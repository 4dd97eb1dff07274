/** Zstandard frames written by hand (RFC 8878): Node 20 has no compressor. */

/** One frame of raw blocks: no compression, no checksum, its size not said. */
export function zstdFrame(content: Uint8Array): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < content.length || at === 0; at += BLOCK) {
    const part = content.subarray(at, at + BLOCK);
    blocks.push(blockHeader({ kind: RAW, size: part.length, isLast: at + BLOCK >= content.length }), Buffer.from(part));
  }
  return Buffer.concat([HEADER, ...blocks]);
}

/** A frame of some bytes that stands for `blocks` times 128 KiB of one byte. */
export function zstdBomb(byte: number, blocks: number): Buffer {
  const one = (isLast: boolean) => [blockHeader({ kind: RLE, size: BLOCK, isLast }), Buffer.from([byte])];
  return Buffer.concat([HEADER, ...Array.from({ length: blocks }, (_, k) => one(k === blocks - 1)).flat()]);
}

/** A frame that decoders skip. */
export function zstdSkippable(content: Uint8Array): Buffer {
  const header = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
}

const BLOCK = 1 << 17;
const [RAW, RLE] = [0, 1];
/** Magic number; a descriptor without options; a window of 8 MiB. */
const HEADER = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68]);

function blockHeader({ kind, size, isLast }: { kind: number; size: number; isLast: boolean }): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE(Number(isLast) | (kind << 1) | (size << 3), 0, 3);
  return header;
}
