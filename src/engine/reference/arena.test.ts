import { expect, test } from 'vitest';
import { Arena } from './arena.js';

test('elements are read and written at any offset and strides', () => {
  const arena = new Arena(64, 0);
  const whole = { dtype: 'f32', offset: 3, sizes: [2, 3], strides: [3, 1] } as const;
  arena.write(whole, Float64Array.of(1, 2, 3, 4, 5, 6));
  expect([...arena.read({ ...whole, sizes: [3, 2], strides: [1, 3] })]).toEqual([1, 4, 2, 5, 3, 6]);
  expect([...arena.read({ ...whole, offset: 3 + 4, sizes: [2, 2] })]).toEqual([2, 3, 5, 6]);
  expect([...arena.read({ ...whole, sizes: [2], strides: [0] })]).toEqual([1, 1]);
  expect([...arena.read({ ...whole, sizes: [], strides: [] })]).toEqual([1]);
});

test('memory that nothing wrote is not a number where it was filled with 0xFF', () => {
  const arena = new Arena(8, 0xff);
  for (const dtype of ['f64', 'f32', 'bf16', 'f16'] as const) {
    expect(arena.read({ dtype, offset: 0, sizes: [1], strides: [1] })[0]).toBeNaN();
  }
  expect([...arena.read({ dtype: 'i32', offset: 0, sizes: [2], strides: [1] })]).toEqual([-1, -1]);
});

test('sums are taken in the element type', () => {
  const arena = new Arena(16, 0);
  const view = { dtype: 'bf16', offset: 0, sizes: [1], strides: [1] } as const;
  arena.write(view, Float64Array.of(256));
  arena.accumulate(view, Float64Array.of(1));
  // 257 lies halfway between 256 and 258, and 256 is even.
  expect([...arena.read(view)]).toEqual([256]);
});

test('an address beyond the arena is refused', () => {
  const arena = new Arena(8, 0);
  expect(() => arena.read({ dtype: 'f64', offset: 8, sizes: [1], strides: [1] })).toThrow(RangeError);
  expect(() => arena.write({ dtype: 'f32', offset: 0, sizes: [2], strides: [1] }, Float64Array.of(1))).toThrow(
    RangeError,
  );
});

test('a grown arena keeps what it holds', () => {
  const arena = new Arena(4, 0);
  const view = { dtype: 'i32', offset: 0, sizes: [1], strides: [1] } as const;
  arena.write(view, Float64Array.of(7));
  arena.grow(8, 0xff);
  expect([...arena.read({ ...view, sizes: [2] })]).toEqual([7, -1]);
});
