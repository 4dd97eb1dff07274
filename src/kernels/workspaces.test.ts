/** Formulas of workspaces: by hand, and as the addon's header has them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { evaluate } from './formula.js';
import { headerText, workspace } from './workspaces.js';

const header = new URL('../../native/kernels/workspaces.h', import.meta.url);

test('the header of the native kernels says the same', () => {
  if (process.env.UPDATE) writeFileSync(header, headerText());
  expect(readFileSync(header, 'utf8')).toBe(headerText());
});

test('by hand', () => {
  // 100 rows of 70 columns, 33 deep: panels of 128 columns and 102 rows, each 34 deep.
  expect(workspace('matmul', { m: 100, n: 70, k: 33, size: 4 })).toBe((128 + 102) * 34 * 4 + 64);
  // So deep that a chunk has 64 columns and 192 rows alone.
  expect(workspace('matmul', { m: 1000, n: 1000, k: 100_000, size: 2 })).toBe((64 + 192) * 100_000 * 2 + 64);
  expect(workspace('matmul', { m: 3, n: 3, k: 0, size: 4 })).toBe(64);
  expect(workspace('attention', { b: 2, g: 3, t: 65, d: 8, size: 4 })).toBe(6 * (128 * 8 + 66 * 64) * 4);
  // A head's gradients of its sink and 16 biases fill 32 places.
  const backward = { b: 1, g: 1, r: 2, s: 64, t: 64, d: 64, size: 4, acc: 4 };
  const more =
    workspace('attention_backward', { ...backward, n: 16 }) - workspace('attention_backward', { ...backward, n: 0 });
  expect(more).toBe(2 * 16 * 4);
  expect(workspace('rms_norm_backward', { t: 33, c: 5, acc: 4 })).toBe(2 * 5 * 4);
  expect(workspace('layer_norm_backward', { t: 1e6, c: 5, acc: 4 })).toBe(64 * 2 * 5 * 4);
  expect(workspace('reduction', { a: 3, r: 1024, c: 5 })).toBe(0);
  expect(workspace('reduction', { a: 3, r: 1025, c: 5 })).toBe(3 * 2 * 5 * 8);
  expect(workspace('reduce_scatter', { members: 3, elements: 10, size: 2 })).toBe(40);
});

test('what is no formula is told, and so is a name that nobody gives', () => {
  const none = () => {
    throw new Error('no such function');
  };
  expect(() => evaluate('(a + 1', { a: 1 }, none)).toThrow("'(a + 1' lacks a ')'");
  expect(() => evaluate('a + b', { a: 1 }, none)).toThrow("names 'b', which is not given");
  expect(() => evaluate('a b', { a: 1, b: 2 }, none)).toThrow("goes on after its end, with 'b'");
  expect(evaluate('7 / 2 * 2 - (1 + 1)', {}, none)).toBe(4);
});
