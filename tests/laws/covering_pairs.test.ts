import { expect, test } from 'vitest';
import { coverageText, coveringRows, missingPairs } from './covering_pairs.js';

const settings = { a: [1, 2], b: [1, 2], c: [1, 2] } as const;

test('four rows are enough for three settings of two values, and no three are', () => {
  const rows = coveringRows(settings);
  expect(rows).toHaveLength(4);
  expect(missingPairs(settings, rows)).toEqual([]);
  for (const left of rows) {
    expect(
      missingPairs(
        settings,
        rows.filter((row) => row !== left),
      ),
    ).toHaveLength(3);
  }
});

test('what has not met is told', () => {
  const text = coverageText(settings, coveringRows(settings).slice(1));
  expect(text).toMatch(/^a {2}b {2}c {2}\n/);
  expect(text).toContain('9 of 12 pairs of values in 3 programs\nmissing: a 1, b 1\n');
});

test('a pair that no legal row has is not asked for, and told', () => {
  const legal = ({ a, b }: { a: number; b: number }) => a === 1 || b === 1;
  const rows = coveringRows(settings, legal);
  expect(rows.every(legal)).toBe(true);
  expect(missingPairs(settings, rows, legal)).toEqual([]);
  const text = coverageText(settings, rows, legal);
  expect(text).toContain(`11 of 11 pairs of values in ${rows.length} programs\nin no program: a 2, b 2`);
});
