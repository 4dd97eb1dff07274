/** Comparisons of two operands, aligned by name, and the choice made by one. */
import { promote } from '../ir/dtype.js';
import { cotangentOf } from './cotangent.js';
import { elementwise } from './elementwise.js';

const comparison = (
  name: string,
  summary: string,
  holds: (a: number, b: number) => boolean,
  gives: readonly boolean[],
) =>
  elementwise({
    name,
    summary,
    operands: ['a', 'b'],
    of: () => (a, b) => (holds(a, b) ? 1 : 0),
    dtype: () => 'bool',
    flops: 0,
    example: { given: { a: [1, 2, 3], b: [2, 2, 2] }, names: { a: 'i', b: 'i' }, gives: { y: gives.map(Number) } },
  });

export const eq = comparison('eq', 'True where two elements are equal.', (a, b) => a === b, [false, true, false]);
export const ge = comparison('ge', 'True where a is at least b.', (a, b) => a >= b, [false, true, true]);
export const lt = comparison('lt', 'True where a is less than b.', (a, b) => a < b, [true, false, false]);

/** A choice by a boolean. Linear in its two arms together: a partial sum may pass through both, or through one beside a zeroed other. */
export const where = elementwise({
  name: 'where',
  summary: 'Elements of a where the condition holds, else of b; aligned by name.',
  operands: ['condition', 'a', 'b'],
  of: () => (condition, a, b) => (condition !== 0 ? a : b),
  dtype: ({ operands }) => promote(operands[1].dtype, operands[2].dtype),
  linear: () => [[1, 2]],
  flops: 0,
  backward({ condition, a, b, dY }) {
    const zero = dY.constant(0);
    return { dA: cotangentOf(a, condition.where(dY, zero)), dB: cotangentOf(b, condition.where(zero, dY)) };
  },
  example: {
    given: { condition: [1, 0], a: [1, 2], b: [3, 4] },
    names: { condition: 'i', a: 'i', b: 'i' },
    dtypes: { condition: 'bool' },
    gives: { y: [1, 4] },
  },
});
