import { defineOp } from '../ir/define_op.js';

/**
 * Softmax over `v`: positive numbers that sum to one.
 *
 *   y_v = exp(x_v − max x) / Σ_u exp(x_u − max x)
 *   ∂L/∂x_v = y_v (dy_v − Σ_u y_u dy_u)
 *
 * Subtracting the maximum changes nothing in theory and keeps exp in range (Blanchard, Higham, Higham 2021). Logits and probabilities
 * are at least f32, also under mixed precision: exp makes a relative error of the absolute one of its argument, 2^-9 of a large logit in
 * bf16, and routers choose by small differences. Attention has a softmax of its own.
 */
export const softmax = defineOp({
  name: 'softmax',
  summary: 'Softmax over the last letter: exponentials divided by their sum.',
  signature: 'x: f32[t v!] -> y: f32[t v]',

  decompose({ x }) {
    const exponentials = x.sub(x.max('v')).exp();
    return { y: exponentials.div(exponentials.sum('v')) };
  },
  flops: ({ t, v }) => 5 * t * v, // max, sub, exp, sum, div

  backward: {
    reads: ['y', 'dY'],
    decompose({ y, dY }) {
      return { dX: y.mul(dY.sub(y.mul(dY).sum('v'))) };
    },
    flops: ({ t, v }) => 4 * t * v,
  },

  example: { given: { x: [[0, Math.log(3)]] }, gives: { y: [[0.25, 0.75]] } },
});
