import { defineOp } from '../ir/define_op.js';

/**
 * Layer normalisation (Ba, Kiros, Hinton 2016): features of mean zero and variance one, scaled and shifted.
 *
 *   x̂ = (x − mean_c x) · rstd        rstd = 1 / sqrt(mean_c (x − mean)² + eps)
 *   y = x̂ · weight + bias
 *   dx = rstd · (g − mean_c g − x̂ · mean_c(g x̂)),  g = dy · weight
 *
 * The variance is taken around the mean, not as a difference of squares, which cancels in f32. Statistics are f32 residuals. The
 * gradients of weight and bias lack the tokens `t`: where those are split they are partial sums, while dx is split.
 */
export const layerNorm = defineOp({
  name: 'layer_norm',
  summary: 'Layer normalisation over c: mean zero, variance one, then scaled and shifted.',
  signature: 'x: float[t c!], weight: float[c], bias: float[c] -> y: float[t c], mean: f32[t], rstd: f32[t]',
  attributes: { eps: 1e-5 },
  attributeKinds: { eps: 'amount?' },

  decompose({ x, weight, bias }, { eps }) {
    const wide = x.cast('f32');
    const mean = wide.mean('c');
    const centred = wide.sub(mean);
    const rstd = centred
      .square()
      .mean('c')
      .add(eps as number)
      .rsqrt();
    const y = centred.mul(rstd).mul(weight.cast('f32')).add(bias.cast('f32'));
    return { y, mean, rstd };
  },
  flops: ({ t, c }) => 8 * t * c,

  backward: {
    reads: ['x', 'weight', 'mean', 'rstd', 'dY'],
    decompose({ x, weight, mean, rstd, dY }) {
      const d = dY.cast('f32');
      const normal = x.cast('f32').sub(mean).mul(rstd);
      const g = d.mul(weight.cast('f32'));
      const along = g.mul(normal).mean('c');
      return {
        dX: g.sub(g.mean('c')).sub(normal.mul(along)).mul(rstd),
        dWeight: d.einsum([normal], 'c'),
        dBias: d.sum('t'),
      };
    },
    flops: ({ t, c }) => 14 * t * c,
  },

  example: {
    given: { x: [[-1, 1]], weight: [2, 3], bias: [10, 20] },
    attributes: { eps: 0 },
    gives: { y: [[8, 23]], mean: [0], rstd: [1] },
  },
});
