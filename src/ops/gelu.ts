import { defineOp } from '../ir/define_op.js';
import type { Tensor } from '../ir/tensor.js';

/**
 * Gaussian error linear unit (Hendrycks, Gimpel 2016): x · Φ(x), with Φ the normal distribution function.
 *
 *   exact        Φ(x) = (1 + erf(x/√2)) / 2
 *   otherwise    Φ(x) ≈ (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2      as in GPT-2
 */
export const gelu = defineOp({
  name: 'gelu',
  summary: 'Gaussian error linear unit; by its tanh approximation, as in GPT-2, unless `exact`.',
  signature: 'x: float[t] -> y: float[t]',
  attributes: { exact: false },

  decompose({ x }, { exact }) {
    const wide = x.cast('f32');
    const twice = exact ? wide.mul(Math.SQRT1_2).erf().add(1) : inner(wide).tanh().add(1);
    return { y: wide.mul(twice).mul(0.5) };
  },
  flops: ({ t }) => 8 * t,

  backward: {
    reads: ['x', 'dY'],
    decompose({ x, dY }, { exact }) {
      const wide = x.cast('f32');
      return { dX: dY.cast('f32').mul(exact ? exactSlope(wide) : tanhSlope(wide)) };
    },
    flops: ({ t }) => 16 * t,
  },

  // Far from zero gelu is 0 or x.
  example: { given: { x: [0, 30, -30] }, gives: { y: [0, 30, 0] } },
});

/** √(2/π) (x + 0.044715 x³) */
function inner(x: Tensor): Tensor {
  return x.mul(x.square().mul(cubic).add(1)).mul(rootTwoOverPi);
}

/** With u = tanh(inner): (1 + u)/2 + x (1 − u²)/2 · d inner/dx */
function tanhSlope(x: Tensor): Tensor {
  const u = inner(x).tanh();
  const innerSlope = x
    .square()
    .mul(3 * cubic)
    .add(1)
    .mul(rootTwoOverPi);
  return u
    .add(1)
    .add(x.mul(u.square().neg().add(1)).mul(innerSlope))
    .mul(0.5);
}

/** Φ(x) + x φ(x) */
function exactSlope(x: Tensor): Tensor {
  const distribution = x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
  const density = x
    .square()
    .mul(-0.5)
    .exp()
    .mul(1 / Math.sqrt(2 * Math.PI));
  return distribution.add(x.mul(density));
}

const rootTwoOverPi = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;
