import { expect, test } from 'vitest';
import { encode } from './host_array.js';
import { dataflowOrder, earliest, nonFiniteIn, type DataflowPlace } from './non_finite.js';

test('NaN and infinity are seen in every float type; minus infinity, the number of masks, is not', () => {
  for (const dtype of ['f64', 'f32', 'bf16', 'f16'] as const) {
    expect(nonFiniteIn(dtype, encode(dtype, [1, -Infinity, 0, NaN])), dtype).toBe(3);
    expect(nonFiniteIn(dtype, encode(dtype, [-1e4, Infinity])), dtype).toBe(1);
    expect(nonFiniteIn(dtype, encode(dtype, [-Infinity, 6e4])), dtype).toBe(-1);
  }
  expect(nonFiniteIn('i32', encode('i32', [-1]))).toBe(-1);
});

test('of what ranks find, causes come before what follows from them', () => {
  const base: DataflowPlace = { received: false, phase: 'forward', microbatch: 0, chunk: 0, position: 0, rank: 0 };
  const inOrder: readonly Partial<DataflowPlace>[] = [
    { chunk: 0, position: 9, rank: 1 },
    { chunk: 1, rank: 2 },
    { microbatch: 1, chunk: 0 },
    { phase: 'backward', chunk: 1 },
    { phase: 'backward', chunk: 0 },
    { phase: 'update', microbatch: 3 },
    { received: true },
  ];
  const found = inOrder.map((place, i) => ({
    rank: 0,
    at: '',
    what: String(i),
    given: false,
    order: dataflowOrder({ ...base, ...place }),
  }));
  for (const i of found.keys()) expect(earliest(found.slice(i).reverse())?.what).toBe(String(i));
  expect(earliest([])).toBeNull();
});
