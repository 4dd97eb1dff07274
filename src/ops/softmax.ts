import { defineOp } from '../ir/define_op.js';

/**
 * Softmax over `v`: positive numbers that sum to one.
 *
 *   y_v = exp(x_v − max x) / Σ_u exp(x_u − max x)
 *   ∂L/∂x_v = y_v (dy_v − Σ_u y_u dy_u)
 *
 * Subtracting the maximum changes nothing in theory and keeps exp in range (Blanchard, Higham, Higham 2021).
 */
export const softmax = defineOp({
  name: 'softmax',
  summary: 'Softmax over the last letter: exponentials divided by their sum.',
  signature: 'x: float[t v!] -> y: float[t v]',

  decompose({ x }) {
    const wide = x.cast('f32');
    const exponentials = wide.sub(wide.max('v')).exp();
    return { y: exponentials.div(exponentials.sum('v')) };
  },
  flops: ({ t, v }) => 5 * t * v, // max, sub, exp, sum, div

  backward: {
    reads: ['y', 'dY'],
    decompose({ y, dY }) {
      const [probability, d] = [y.cast('f32'), dY.cast('f32')];
      return { dX: probability.mul(d.sub(probability.mul(d).sum('v'))) };
    },
    flops: ({ t, v }) => 4 * t * v,
  },

  example: { given: { x: [[0, Math.log(3)]] }, gives: { y: [[0.25, 0.75]] } },
});
