import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowMajor } from './strides.js';

test('strides are the elements below a dimension', () => {
  expect(rowMajor([2, 3, 4])).toEqual([12, 4, 1]);
  expect(rowMajor([5])).toEqual([1]);
  expect(rowMajor([])).toEqual([]);
});

test('an index times its strides counts the elements before it', () => {
  const sizesAndPlace = fc
    .array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 })
    .chain((sizes) => fc.tuple(fc.constant(sizes), fc.nat({ max: sizes.reduce((a, b) => a * b, 1) - 1 })));
  fc.assert(
    fc.property(sizesAndPlace, ([sizes, place]) => {
      // The place written with a digit for each dimension, the last one running fastest.
      let rest = place;
      const index = [...sizes].reverse().map((size) => {
        const digit = rest % size;
        rest = (rest - digit) / size;
        return digit;
      });
      expect(index.reverse().reduce((at, i, k) => at + i * rowMajor(sizes)[k], 0)).toBe(place);
    }),
  );
});
