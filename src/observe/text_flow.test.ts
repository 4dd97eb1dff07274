import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnsOf, cutToColumns, printable } from './columns.js';
import { TextFlow } from './text_flow.js';

const letters = fc.constantFrom(...'ab, \n\té', '中', '国', '語', '한', '👍', '\u0301', '\x1b', 'e\u0301');
const texts = fc.array(fc.oneof(letters, fc.constant('word'), fc.constant('x'.repeat(25))), { maxLength: 60 });

function flowed(pieces: readonly string[], width: number): string {
  const flow = new TextFlow(() => width);
  return pieces.map((piece) => flow.push(piece)).join('') + flow.end();
}

test('however a text comes in pieces, its lines fit, and nothing of it is lost', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 8, max: 40 }), (pieces, width) => {
      const shown = flowed(pieces, width);
      expect(shown).toBe(flowed([...pieces.join('')], width));
      // Spaces at a line's beginning are the text's own.
      for (const line of shown.split('\n')) expect(columnsOf(line.trim())).toBeLessThanOrEqual(width - 2);
      const lettersOf = (text: string) => text.replace(/\s/g, '');
      const expected = pieces.join('').replaceAll('\x1b', '·');
      expect(lettersOf(shown)).toBe(lettersOf(expected));
    }),
  );
});

test('text without spaces is written as it comes', () => {
  const flow = new TextFlow(() => 10);
  expect([...'機械学習は楽しい'].map((letter) => flow.push(letter))).toEqual([
    '  機',
    '械',
    '学',
    '習',
    '\n  は',
    '楽',
    'し',
    'い',
  ]);
  const narrow = new TextFlow(() => 10);
  // As long as a line, it is a word by itself.
  expect([...'สวัสดีครับผมชื่อ'].map((letter) => narrow.push(letter)).join('')).not.toBe('');
  expect(flowed(['0123456789abcdefgh'], 10)).toBe('  01234567\n  89abcdef\n  gh\n');
});

test.each([
  ['plain', 5],
  ['日本語', 6],
  ['한국어', 6],
  ['ﾊﾝｶｸ', 4],
  ['ＡＢ。', 6],
  ['naïve', 5],
  ['nai\u0308ve', 5],
  ['👍🚀', 4],
  ['𠀋', 2],
  ['🇳🇴', 2],
  ['→─█', 3],
  ['\u200b', 0],
])('%s takes %i columns', (text, columns) => {
  expect(columnsOf(text)).toBe(columns);
  for (let most = 0; most <= columns; most++) expect(columnsOf(cutToColumns(text, most))).toBeLessThanOrEqual(most);
  expect(cutToColumns(text, columns)).toBe(text);
});

test('what would steer a terminal is a dot', () => {
  expect(printable('a\x1b[31mb\u009bc\r\n\ud800d')).toBe('a·[31mb·c···d');
});
