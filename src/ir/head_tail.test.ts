import fc from 'fast-check';
import { expect, test } from 'vitest';
import { headTailPositions, headTailRuns, runsWithin } from './head_tail.js';
import { evenBounds } from './layout.js';

test('four ranks, runs of two', () => {
  expect(headTailPositions(16, 4)).toEqual([0, 1, 14, 15, 2, 3, 12, 13, 4, 5, 10, 11, 6, 7, 8, 9]);
});

test('every position once; a rank has one run of the head and one of the tail', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 9 }), (size, ranks) => {
      const positions = headTailPositions(size, ranks);
      expect([...positions].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
      expect(headTailRuns(size, ranks)).toHaveLength(2 * ranks);
    }),
  );
});

test('pairs of a query and a key before it are as many on each rank as on any other, within a part', () => {
  for (const [size, ranks] of [
    [64, 4],
    [2047, 3],
    [2048, 8],
  ]) {
    const positions = headTailPositions(size, ranks);
    const bounds = evenBounds(size, ranks);
    const pairs = bounds
      .slice(1)
      .map((end, rank) => positions.slice(bounds[rank], end).reduce((sum, position) => sum + position + 1, 0));
    const mean = (size * (size + 1)) / 2 / ranks;
    for (const count of pairs) expect(Math.abs(count / mean - 1)).toBeLessThan(0.05);
  }
});

test('a block has the runs that it cuts', () => {
  const runs = headTailRuns(8, 2);
  expect(runsWithin(runs, 1, 4)).toEqual([
    { stored: 0, position: 1, length: 1 },
    { stored: 1, position: 6, length: 2 },
    { stored: 3, position: 2, length: 1 },
  ]);
});
