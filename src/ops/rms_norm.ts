import { defineOp } from '../ir/define_op.js';

/**
 * Root-mean-square normalisation (Zhang, Sennrich 2019): features of mean square one, scaled.
 *
 *   x̂ = x · rstd        rstd = 1 / sqrt(mean_c x² + eps)
 *   y = x̂ · weight
 *   dx = rstd · (g − x̂ · mean_c(g x̂)),  g = dy · weight
 */
export const rmsNorm = defineOp({
  name: 'rms_norm',
  summary: 'Root-mean-square normalisation over c, then scaled.',
  signature: 'x: float[t c!], weight: float[c] -> y: float[t c], rstd: f32[t]',
  attributes: { eps: 1e-5 },
  attributeKinds: { eps: 'amount?' },

  decompose({ x, weight }, { eps }) {
    const wide = x.cast('f32');
    const rstd = wide
      .square()
      .mean('c')
      .add(eps as number)
      .rsqrt();
    return { y: wide.mul(rstd).mul(weight.cast('f32')), rstd };
  },
  flops: ({ t, c }) => 4 * t * c,

  backward: {
    reads: ['x', 'weight', 'rstd', 'dY'],
    decompose({ x, weight, rstd, dY }) {
      const d = dY.cast('f32');
      const normal = x.cast('f32').mul(rstd);
      const g = d.mul(weight.cast('f32'));
      const along = g.mul(normal).mean('c');
      return { dX: g.sub(normal.mul(along)).mul(rstd), dWeight: d.einsum([normal], 'c') };
    },
    flops: ({ t, c }) => 9 * t * c,
  },

  // The mean square of (1, 7) is 25.
  example: {
    given: { x: [[1, 7]], weight: [1, 10] },
    attributes: { eps: 0 },
    gives: { y: [[0.2, 14]], rstd: [0.2] },
  },
});
