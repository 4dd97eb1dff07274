import type { DType } from '../ir/dtype.js';
import { elementwise } from './elementwise.js';

/**
 * Each addend of a sum in another element type, in which they are then added: what a value is on a rank, where it is a partial sum.
 *
 *   x = Σ_r x_r   ⟶   y = Σ_r round(x_r)
 *
 * A cast that is linear by declaration, whether it widens or narrows: the sum of the rounded addends stands for the rounded sum, and
 * differs from it by a rounding of each addend. So it is not for models to call, nor for a plan to choose: it stands where the plan says
 * in which type gradients are reduced, and nowhere else (`partition/check_reductions.ts`).
 */
export const castAddends = elementwise({
  name: 'cast_addends',
  summary: 'The addends of a sum in another element type, each rounded by itself.',
  operands: ['x'],
  attributeKinds: { dtype: 'dtype' },
  wants: 'float',
  rounds: true,
  addends: true,
  of: () => (x) => x,
  dtype: ({ attributes }) => attributes.dtype as DType,
  linear: () => [[0]],
  flops: 0,
  backward: ({ x, dY }) => ({ dX: dY.exactly(x.dtype) }),
  // On one device the sum has one addend.
  example: { given: { x: [1.00390625] }, attributes: { dtype: 'bf16' }, gives: { y: [1] } },
});
