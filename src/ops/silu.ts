import { defineOp } from '../ir/define_op.js';

/** Sigmoid linear unit: x · σ(x), also called swish (Ramachandran, Zoph, Le 2017). dx = dy · σ (1 + x (1 − σ)). */
export const silu = defineOp({
  name: 'silu',
  summary: 'Sigmoid linear unit: x · sigmoid(x).',
  signature: 'x: float[t] -> y: float[t]',

  decompose({ x }) {
    const wide = x.cast('f32');
    return { y: wide.mul(wide.sigmoid()) };
  },
  flops: ({ t }) => 2 * t,

  backward: {
    reads: ['x', 'dY'],
    decompose({ x, dY }) {
      const wide = x.cast('f32');
      const sigmoid = wide.sigmoid();
      const slope = sigmoid.mul(wide.mul(sigmoid.neg().add(1)).add(1));
      return { dX: dY.cast('f32').mul(slope) };
    },
    flops: ({ t }) => 7 * t,
  },

  // σ(ln 3) = 3/4.
  example: { given: { x: [0, Math.log(3)] }, gives: { y: [0, 0.75 * Math.log(3)] } },
});
