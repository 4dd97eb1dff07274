import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roundBf16, roundF16, roundTo } from './round.js';

/** Every finite number of a 16-bit format with so many bits of exponent and fraction, ascending. */
function allNumbers(exponentBits: number, fractionBits: number): readonly number[] {
  const bias = 2 ** (exponentBits - 1) - 1;
  const positive: number[] = [];
  for (let exponent = 0; exponent < 2 ** exponentBits - 1; exponent++) {
    for (let fraction = 0; fraction < 2 ** fractionBits; fraction++) {
      const significand = fraction / 2 ** fractionBits + (exponent > 0 ? 1 : 0);
      positive.push(significand * 2 ** (Math.max(exponent, 1) - bias));
    }
  }
  return [
    ...positive
      .slice(1)
      .reverse()
      .map((x) => -x),
    ...positive,
  ];
}

/** The nearest number in the list; of two equally near, the one with an even last bit, which stands at an even place from zero. */
function nearest(numbers: readonly number[], x: number): number {
  const zero = (numbers.length - 1) / 2;
  let [low, high] = [0, numbers.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) low = middle;
    else high = middle;
  }
  const [below, above] = [x - numbers[low], numbers[high] - x];
  if (below !== above) return numbers[below < above ? low : high];
  return numbers[(low - zero) % 2 === 0 ? low : high];
}

const f32 = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -60000, max: 60000 }),
  fc.float({ noNaN: true, min: Math.fround(-1e-4), max: Math.fround(1e-4) }),
  fc.tuple(fc.integer({ min: -4096, max: 4096 }), fc.integer({ min: -30, max: 3 })).map(([m, e]) => m * 2 ** e),
);

describe.each([
  ['bf16', roundBf16, allNumbers(8, 7)],
  ['f16', roundF16, allNumbers(5, 10)],
] as const)('%s', (_, round, numbers) => {
  test('is the nearest number of the format, ties to even', () => {
    fc.assert(
      fc.property(f32, (x) => {
        expect(round(x) + 0).toBe(nearest(numbers, x) + 0);
      }),
      { numRuns: 3000 },
    );
  });

  test('keeps infinities and NaN, and overflows to infinity', () => {
    expect([Infinity, -Infinity, NaN, 3.4e38 * 1.01].map(round)).toEqual([Infinity, -Infinity, NaN, Infinity]);
  });

  test('keeps every number of the format', () => {
    for (let i = 0; i < numbers.length; i += 37) expect(round(numbers[i])).toBe(numbers[i]);
  });
});

test('f32 rounds as a Float32Array does; f64 and integers stay', () => {
  const values = [0.1, 1 / 3, 1e300, -(2 ** 40) - 1];
  expect([...roundTo('f32', Float64Array.from(values))]).toEqual([...Float32Array.from(values)]);
  for (const dtype of ['f64', 'i64', 'bool'] as const) {
    expect([...roundTo(dtype, Float64Array.from(values))]).toEqual(values);
  }
});
