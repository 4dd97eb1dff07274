import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readCorpus, type Corpus } from './corpus.js';
import { findFiles } from './find_files.js';
import { folderWith } from './testing/folder.js';
import { zstdBomb, zstdFrame, zstdSkippable } from './testing/zstd.js';

const whole = { max_bytes: 1e9, field: 'text' };
const texts = ({ documents }: Corpus) => documents.map(({ text }) => text);
/** What files of a folder come to, found in it. */
async function read(files: Readonly<Record<string, Uint8Array | string>>, options = whole): Promise<Corpus> {
  const root = folderWith(
    Object.fromEntries(Object.entries(files).map(([name, content]) => [join('c', name), content])),
  );
  return readCorpus(findFiles(['c'], root), options);
}

const text = 'a stone mill and a river\nby the road\n';
const half = text.length / 2;
const parts = [Buffer.from(text.slice(0, half)), Buffer.from(text.slice(half))];
/** Written by zstd 1.5: one frame with a checksum. */
const byZstd = Buffer.from('KLUv/SQlKQEAYSBzdG9uZSBtaWxsIGFuZCBhIHJpdmVyCmJ5IHRoZSByb2FkCk2FgsY=', 'base64');
const changed = (bytes: Uint8Array, at: number) => {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at] ^= 1;
  return copy;
};

test.each<[string, Uint8Array]>([
  ['gzip', gzipSync(text)],
  ['gzip of several members', Buffer.concat(parts.map((part) => gzipSync(part)))],
  ['gzip of an empty member and another', Buffer.concat([gzipSync(''), gzipSync(text)])],
  ['gzip of UTF-16', gzipSync(Buffer.from(`\uFEFF${text}`, 'utf16le'))],
  ['Zstandard', byZstd],
  ['Zstandard of several frames', Buffer.concat(parts.map(zstdFrame))],
  [
    'a hundred empty frames and another',
    Buffer.concat([...Array<Buffer>(100).fill(zstdFrame(Buffer.alloc(0))), byZstd]),
  ],
  ['a frame to skip first', Buffer.concat([zstdSkippable(Buffer.from('name')), byZstd])],
  ['no compression at all', Buffer.from(text)],
])('what is compressed is known by its content: %s', async (_, bytes) => {
  for (const name of ['x.txt', 'x.txt.gz', 'x.txt.zst'])
    expect(texts(await read({ [name]: bytes })), name).toEqual([text]);
});

test('compressed files are found by the name without its ending, and are records by it', async () => {
  const records = '{"text":"one"}\n{"text":"two"}\n';
  const corpus = await read({
    'a.jsonl.gz': gzipSync(records),
    'b.JSON.ZST': zstdFrame(Buffer.from(records)),
    'c.md.gz': gzipSync(text),
    'd.tar.gz': gzipSync(text),
    'e.gz': gzipSync(text),
    'package.json.gz': gzipSync('{"name":"x"}'),
  });
  expect(corpus.documents.map(({ path }) => path)).toEqual([
    'c/a.jsonl.gz:1',
    'c/a.jsonl.gz:2',
    'c/b.JSON.ZST:1',
    'c/b.JSON.ZST:2',
    'c/c.md.gz',
  ]);
  expect(corpus.sources.find(({ path }) => path === 'c/c.md.gz')?.bytes).toBe(text.length);
  await expect(read({ 'x.jsonl.zst': zstdFrame(Buffer.from('{"text"\n')) })).rejects.toThrow(/x\.jsonl\.zst:1/);
});

test.each<[string, Uint8Array, RegExp]>([
  ['gzip that ends too early', gzipSync(text.repeat(50)).subarray(0, -20), /damaged gzip, or ends too early/],
  ['gzip without its checksum', gzipSync(text).subarray(0, -8), /ends too early/],
  ['gzip with a wrong checksum', changed(gzipSync(text), -6), /damaged gzip/],
  ['gzip with a wrong byte', changed(gzipSync(text), 20), /damaged gzip/],
  ['a second member that is damaged', Buffer.concat([gzipSync(text), changed(gzipSync(text), 15)]), /damaged gzip/],
  ['the head of gzip alone', gzipSync(text).subarray(0, 6), /damaged gzip/],
  ['Zstandard that ends too early', byZstd.subarray(0, -9), /damaged Zstandard, or ends too early/],
  ['Zstandard with a wrong checksum', changed(byZstd, -1), /damaged Zstandard/],
  ['Zstandard with a wrong byte', changed(byZstd, 20), /damaged Zstandard/],
  ['Zstandard and something behind it', Buffer.concat([byZstd, Buffer.from('and more')]), /damaged Zstandard/],
  ['the head of Zstandard alone', byZstd.subarray(0, 5), /damaged Zstandard/],
])('what is damaged is refused with its name: %s', async (_, bytes, words) => {
  const refused = read({ 'x.txt.gz': bytes });
  await expect(refused).rejects.toThrow('data/unreadable');
  await expect(refused).rejects.toThrow(words);
  await expect(refused).rejects.toThrow('x.txt.gz');
});

test('what stands for far more than the limit costs no more than the limit', async () => {
  const bombs = { 'a.txt.zst': zstdBomb(0x61, 40_000), 'b.txt.gz': gzipSync(Buffer.alloc(60_000_000, 'b')) };
  const before = process.memoryUsage().arrayBuffers;
  const corpus = await read(bombs, { ...whole, max_bytes: 1_000_000 });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  expect(corpus.bytes).toBe(1_000_000);
  expect(corpus.skipped).toMatchObject([{ reason: 'over the size limit' }]);
});

test('a limit counts what is decompressed, and ends at a line', async () => {
  const lines = 'line of text\n'.repeat(1000);
  for (const bytes of [gzipSync(lines), zstdFrame(Buffer.from(lines))]) {
    const corpus = await read({ 'x.txt.gz': bytes }, { ...whole, max_bytes: 100 });
    expect(texts(corpus)).toEqual(['line of text\n'.repeat(7)]);
  }
});

/** A file in an archive that `tar` makes. */
function tarOf(format: string): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'flotilla-tar-'));
  try {
    writeFileSync(join(root, 'a.txt'), text);
    return execFileSync('tar', [`--format=${format}`, '-cf', '-', '-C', root, 'a.txt']);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test.each<[string, Uint8Array, RegExp]>([
  ['an archive', Buffer.from('PK\x03\x04 and more'), /it is a zip archive/],
  ['xz', Buffer.from('\xfd7zXZ\0\0', 'latin1'), /it is an xz file/],
  ['Parquet', Buffer.from('PAR1\x15'), /it is a Parquet file/],
  ['Parquet in gzip', gzipSync('PAR1\x15'), /it is a Parquet file/],
  ['a tape archive', tarOf('posix'), /it is a tar archive/],
  ['a tape archive of GNU', tarOf('gnu'), /it is a tar archive/],
  ['a tape archive of old', tarOf('v7'), /it is a tar archive/],
  ['a tape archive of pax', tarOf('pax'), /it is a tar archive/],
  ['a tape archive in gzip', gzipSync(tarOf('posix')), /it is a tar archive/],
  ['a tape archive in Zstandard', zstdFrame(tarOf('gnu')), /it is a tar archive/],
  ['a block that is none', Buffer.concat([Buffer.from('a.txt'), Buffer.alloc(507), Buffer.from(text)]), /zero bytes/],
  ['Latin-1', Buffer.from('sch\xf6n', 'latin1'), /invalid UTF-8 at byte 3/],
  [
    'Latin-1 in gzip, behind a mark',
    gzipSync(Buffer.from('\xef\xbb\xbfsch\xf6n', 'latin1')),
    /invalid UTF-8 at byte 6/,
  ],
  ['a character cut at the end', Buffer.from('schön').subarray(0, 4), /invalid UTF-8 at byte 3/],
  ['half a pair', Buffer.from([0x61, 0xed, 0xa0, 0x80]), /invalid UTF-8 at byte 1/],
  ['an overlong form', Buffer.from([0x61, 0x62, 0xc0, 0xaf]), /invalid UTF-8 at byte 2/],
  ['UTF-16 without a mark', Buffer.from('text', 'utf16le'), /zero bytes, the first at byte 1/],
  ['UTF-16 of half a pair', Buffer.from('\uFEFFa\uD800b', 'utf16le'), /begins as UTF-16 and is not/],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), /zero bytes in UTF-16/],
])('what is no text is refused where it is named, and says what it is: %s', async (_, bytes, words) => {
  const root = folderWith({ 'x.txt': bytes });
  const refused = readCorpus(findFiles(['x.txt'], root), whole);
  await expect(refused).rejects.toThrow('data/not-text');
  await expect(refused).rejects.toThrow(words);
  const found = await readCorpus(findFiles(['.'], root), whole);
  expect(found.skipped).toMatchObject([{ reason: 'binary', detail: expect.stringMatching(words) }]);
});

test('UTF-16 with a mark is read, of either order, also where a limit cuts it', async () => {
  const content = 'grün 𝄞𝄞𝄞 und rot\n';
  const little = Buffer.from(`\uFEFF${content}`, 'utf16le');
  for (const bytes of [little, Buffer.from(little).swap16()]) {
    expect(texts(await read({ 'x.txt': bytes }))).toEqual([content]);
    for (let max_bytes = 3; max_bytes < bytes.length; max_bytes++) {
      const [cut = ''] = texts(await read({ 'x.txt': bytes }, { ...whole, max_bytes }));
      expect(content.startsWith(cut)).toBe(true);
    }
  }
});

test('what takes the place of a file between finding and reading is not waited for', async () => {
  const root = folderWith({ 'x.txt': text });
  const found = findFiles(['x.txt'], root);
  rmSync(join(root, 'x.txt'));
  execFileSync('mkfifo', [join(root, 'x.txt')]);
  await expect(readCorpus(found, whole)).rejects.toThrow(
    /not an ordinary file[\s\S]*data\/unreadable|data\/unreadable/,
  );
  rmSync(join(root, 'x.txt'));
  mkdirSync(join(root, 'x.txt'));
  await expect(readCorpus(found, whole)).rejects.toThrow('data/unreadable');
  rmSync(join(root, 'x.txt'), { recursive: true });
  writeFileSync(join(root, 'x.txt'), '');
  expect((await readCorpus(found, whole)).skipped).toEqual([{ path: 'x.txt', reason: 'empty' }]);
});
