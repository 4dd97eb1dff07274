/** Arithmetic of two operands, aligned by name; a product is an einsum. */
import type { OpDefinition } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import { cotangentOf } from './cotangent.js';
import { elementwise } from './elementwise.js';

const example = (a: number, b: number, y: number) => ({
  given: { a: [a], b: [b] },
  names: { a: 'i', b: 'i' },
  gives: { y: [y] },
});

export const add = elementwise({
  name: 'add',
  wants: 'number',
  summary: 'The sum of two tensors, aligned by name.',
  operands: ['a', 'b'],
  commutes: true,
  adds: true,
  of: () => (a, b) => a + b,
  linear: () => [[0, 1]],
  backward: ({ a, b, dY }) => ({ dA: cotangentOf(a, dY), dB: cotangentOf(b, dY) }),
  example: example(2, 3, 5),
});

export const sub = elementwise({
  name: 'sub',
  wants: 'number',
  summary: 'The difference of two tensors, aligned by name.',
  operands: ['a', 'b'],
  of: () => (a, b) => a - b,
  linear: () => [[0, 1]],
  backward: ({ a, b, dY }) => ({ dA: cotangentOf(a, dY), dB: cotangentOf(b, dY).neg() }),
  example: example(2, 3, -1),
});

export const div = elementwise({
  name: 'div',
  wants: 'float',
  summary: 'The quotient of two tensors, aligned by name.',
  operands: ['a', 'b'],
  of: () => (a, b) => a / b,
  linear: () => [[0]],
  backward({ a, b, y, dY }) {
    const quotient = dY.div(b);
    return { dA: cotangentOf(a, quotient), dB: cotangentOf(b, quotient.mul(y)).neg() };
  },
  example: example(3, 4, 0.75),
});

/** Where the two are equal, `a` takes the whole cotangent. */
export const maximum = elementwise({
  name: 'maximum',
  wants: 'number',
  summary: 'The larger of two elements, aligned by name.',
  operands: ['a', 'b'],
  commutes: true,
  of: () => Math.max,
  backward: chosen((a, b) => a.ge(b)),
  example: example(2, 3, 3),
});

export const minimum = elementwise({
  name: 'minimum',
  wants: 'number',
  summary: 'The smaller of two elements, aligned by name.',
  operands: ['a', 'b'],
  commutes: true,
  of: () => Math.min,
  backward: chosen((a, b) => b.ge(a)),
  example: example(2, 3, 2),
});

/** The cotangent goes to `a` where `first` holds, else to `b`. */
function chosen(first: (a: Tensor, b: Tensor) => Tensor): OpDefinition['backward'] {
  return ({ a, b, dY }) => {
    const mask = first(a, b);
    const zero = dY.constant(0);
    return { dA: cotangentOf(a, mask.where(dY, zero)), dB: cotangentOf(b, mask.where(zero, dY)) };
  };
}
