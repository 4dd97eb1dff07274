import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Document } from './corpus.js';
import { deduplicate, normalise } from './deduplicate.js';
import { splitDocuments } from './split.js';
import { atOnce } from './in_parts.js';

const document = (path: string, text: string): Document => ({ path, text, bytes: Buffer.byteLength(text) });
/** `count` words that no other `subject` has. */
const prose = (subject: string, count: number) => Array.from({ length: count }, (_, i) => `${subject}${i}`).join(' ');
const paths = (items: readonly Document[]) => items.map(({ path }) => path);

test('twins for two module systems are one', () => {
  const esm = "import { x } from './x.js';\nexport type A = x;\n//# sourceMappingURL=a.d.ts.map\n";
  const commonjs = "import { x } from './x.cjs';\r\nexport type  A = x;\r\n//# sourceMappingURL=a.d.cts.map";
  expect(normalise(esm)).toBe(normalise(commonjs));
  const { documents, equal } = atOnce(deduplicate([document('a.d.cts', commonjs), document('a.d.ts', esm)]));
  expect([documents.length, equal.length]).toEqual([1, 1]);
});

test('an excerpt goes, what it was taken from stays, what shares a header stays', () => {
  const [whole, licence] = [prose('a', 2000), prose('licence', 60)];
  const documents = [
    document('1-excerpt', `${prose('a', 1500)} and a word`),
    document('2-whole', whole),
    document('3', `${licence} ${prose('b', 400)}`),
    document('4', `${licence} ${prose('c', 400)}`),
  ];
  const result = atOnce(deduplicate(documents));
  expect(paths(result.documents)).toEqual(['2-whole', '3', '4']);
  expect(paths(result.contained)).toEqual(['1-excerpt']);
});

const anyDocuments = fc
  .uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 400 })), {
    selector: ([path]) => path,
    minLength: 2,
    maxLength: 60,
  })
  .map((list) => list.map(([path, size]) => document(path, prose(path, size))));

test('a split has every document once, in order, and about the share asked for', () => {
  fc.assert(
    fc.property(anyDocuments, fc.double({ min: 0.02, max: 0.5, noNaN: true }), (documents, fraction) => {
      const { train, validation } = splitDocuments(documents, fraction);
      const total = documents.reduce((sum, { bytes }) => sum + bytes, 0);
      const share = validation.reduce((sum, { bytes }) => sum + bytes, 0) / total;
      expect(validation.length).toBeGreaterThan(0);
      expect(share).toBeLessThanOrEqual(fraction + fraction / 2 + 10 / total); // a cut tail moves to a line or by a character
      const tail = validation.find(({ path }) => path.endsWith(':tail') && !paths(documents).includes(path));
      const owner = tail?.path.slice(0, -':tail'.length);
      const texts = new Map([...train, ...validation].filter((d) => d !== tail).map(({ path, text }) => [path, text]));
      for (const { path, text } of documents) {
        expect(texts.get(path) + (path === owner ? (tail?.text ?? '') : '')).toBe(text);
      }
      expect(texts.size).toBe(documents.length);
    }),
  );
});

test('which side a document is on does not depend on the order of the list', () => {
  fc.assert(
    fc.property(anyDocuments, (documents) => {
      const one = paths(splitDocuments(documents, 0.2).validation).sort();
      expect(paths(splitDocuments([...documents].reverse(), 0.2).validation).sort()).toEqual(one);
    }),
  );
});

test('one large file gives its last lines to validation', () => {
  const text = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('');
  const { train, validation } = splitDocuments([document('book.txt', text)], 0.04);
  expect(train[0].text + validation[0].text).toBe(text);
  expect(validation[0].text).toMatch(/^line 9\d\d\n/);
  expect(validation[0].bytes / text.length).toBeCloseTo(0.04, 2);
});
