import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { folderWith } from './testing/folder.js';
import { TokenFile, writeTokenFile } from './token_file.js';
import { atOnce } from './in_parts.js';

test('the files are, byte for byte, what Megatron writes', () => {
  const prefix = join(folderWith(), 'x');
  atOnce(writeTokenFile(prefix, [Int32Array.of(1, 2, 300), Int32Array.of(65498)], { vocab: 65499, total: 2 }));
  expect(readFileSync(`${prefix}.bin`).toString('hex')).toBe('010002002c01daff');
  const u64 = (value: number) => value.toString(16).padStart(2, '0').padEnd(16, '0');
  expect(readFileSync(`${prefix}.idx`).toString('hex')).toBe(
    [
      Buffer.from('MMIDIDX\0\0').toString('hex') + u64(1) + '08' + u64(2) + u64(3),
      '0300000001000000', // lengths
      u64(0) + u64(6), // byte offsets
      u64(0) + u64(1) + u64(2), // first sequence of each document, and the end
    ].join(''),
  );
  expect(readdirSync(join(prefix, '..')).sort()).toEqual(['x.bin', 'x.idx']);
});

test('what is written is read, from any position, for small and large vocabularies', () => {
  const documents = fc.array(fc.array(fc.nat(70_000), { maxLength: 20 }), { maxLength: 8 });
  fc.assert(
    fc.property(documents, fc.constantFrom(1000, 100_000), fc.nat(), fc.nat(), (lists, vocab, from, count) => {
      const prefix = join(folderWith(), 'x');
      const written = lists.map((list) => Int32Array.from(list, (id) => id % vocab));
      const all = written.flatMap((ids) => [...ids]);
      expect(atOnce(writeTokenFile(prefix, written, { vocab, total: written.length }))).toEqual({
        tokens: all.length,
        documents: lists.length,
      });
      const file = TokenFile.open(prefix);
      try {
        expect(file.tokens).toBe(all.length);
        expect([...file.documentTokens]).toEqual(written.map(({ length }) => length));
        expect([...file.pieces(3)].flatMap((piece) => [...piece])).toEqual(all);
        const start = from % (all.length + 1);
        const length = count % (all.length - start + 1);
        expect([...file.read(start, length)]).toEqual(all.slice(start, start + length));
        expect(() => file.read(start, all.length - start + 1)).toThrow(RangeError);
        // Of each token by itself: the first and behind the last of its document, within what was asked for.
        const of = written.flatMap((ids, document) => [...ids].map(() => document));
        const places = file.documents(start, length);
        for (let at = 0; at < length; at++) {
          const [first, last] = [of.indexOf(of[start + at]), of.lastIndexOf(of[start + at])];
          expect([places.starts[at], places.ends[at]]).toEqual([
            Math.max(0, first - start),
            Math.min(length, last + 1 - start),
          ]);
        }
      } finally {
        file.close();
      }
    }),
    { numRuns: 30 },
  );
});

test('a damaged file is refused with its name', () => {
  const prefix = join(folderWith(), 'x');
  atOnce(writeTokenFile(prefix, [Int32Array.of(1, 2, 3)], { vocab: 10, total: 1 }));
  truncateSync(`${prefix}.bin`, 5);
  expect(() => TokenFile.open(prefix)).toThrow(/data\/token-file-corrupt[\s\S]*x\.bin/);
  writeFileSync(`${prefix}.idx`, readFileSync(`${prefix}.idx`).subarray(0, 40));
  expect(() => TokenFile.open(prefix)).toThrow(/data\/token-file-corrupt[\s\S]*x\.idx/);
  writeFileSync(`${prefix}.idx`, 'something else entirely, of some length');
  expect(() => TokenFile.open(prefix)).toThrow('no MMIDIDX header');
  expect(() => TokenFile.open(`${prefix}y`)).toThrow('data/token-file-corrupt');
});

test('an id outside the vocabulary is refused when it is written and when it is read, with its place', () => {
  const root = folderWith();
  const write = (ids: number[][], vocab: number) =>
    atOnce(
      writeTokenFile(
        join(root, 'x'),
        ids.map((document) => Int32Array.from(document)),
        { vocab, total: ids.length },
      ),
    );
  for (const [id, vocab] of [
    [300, 300],
    [-1, 300],
    [65536, 65000],
    [70_000, 70_000],
    [2 ** 31 - 1, 70_000],
  ]) {
    const refused = () =>
      write(
        [
          [1, 2],
          [3, id, 4],
        ],
        vocab,
      );
    expect(refused).toThrow(
      `token 3 is ${id}, and the ids of its vocabulary end at ${vocab - 1} [data/id-outside-vocabulary]`,
    );
    expect(refused).toThrow('x.bin');
  }
  write(
    [
      [1, 2],
      [3, 299, 4],
    ],
    300,
  );
  const right = TokenFile.open(join(root, 'x'), 300);
  right.requireIds();
  expect([...right.read(2, 2)]).toEqual([3, 299]);
  right.close();
  const smaller = TokenFile.open(join(root, 'x'), 299);
  expect([...smaller.read(0, 3)]).toEqual([1, 2, 3]);
  expect(() => smaller.read(2, 2)).toThrow('token 3 is 299');
  expect(() => smaller.requireIds()).toThrow('data/id-outside-vocabulary');
  smaller.close();
});
