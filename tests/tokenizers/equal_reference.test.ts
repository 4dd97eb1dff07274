import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadTokenizer } from '../../src/data/tokenizer.js';
import { differing, expectedOf, groupTexts, type Expected } from './expected.js';
import { hardStrings } from './hard_strings.js';
import { readingsOf } from './readings.js';

// What Python's `tokenizers` makes of them was written down by compare.ts, which also compares with it on other texts.

const here = path.dirname(fileURLToPath(import.meta.url));
const expected = JSON.parse(readFileSync(path.join(here, 'expected.json'), 'utf8')) as Record<string, Expected>;
const texts = hardStrings(5000);

test('each kind of file is compared', () => {
  expect(readdirSync(path.join(here, 'fixtures')).map((name) => path.basename(name, '.json'))).toEqual(
    Object.keys(expected),
  );
  expect(Object.keys(expected).length).toBeGreaterThanOrEqual(12);
});

test.each(Object.keys(expected))('%s: ids and decoded texts equal those of Python, of 5,000 hard texts', (name) => {
  const readings = readingsOf(loadTokenizer(path.join(here, 'fixtures', `${name}.json`)), texts);
  const wrong = differing(readings, expected[name]).flatMap((first) => texts.slice(first, first + groupTexts));
  expect(wrong, 'one in four of these').toEqual([]);
  expect(expectedOf(readings).all).toBe(expected[name].all);
});
