import { defineOp } from '../ir/define_op.js';

/**
 * Rotary position embedding (Su et al. 2021): turns each pair of features by an angle that grows with the position.
 *
 *   y1 = x1 · cos − x2 · sin        y2 = x2 · cos + x1 · sin
 *
 * The head dimension is (p=2 f): feature i pairs with i + half, as Llama and Hugging Face store them. The tables hold cos and sin of
 * position s times the frequency of f, in f32; positions are data of the tables, so `s` splits freely. The pair `p` must be whole.
 * The rotation is orthogonal: its backward turns the other way and keeps nothing but the tables.
 */
export const rotary = defineOp({
  name: 'rotary',
  summary: 'Rotary position embedding: pairs of features turned by tables of cosines and sines.',
  signature: 'x: float[b s h p! f], cos: f32[s f], sin: f32[s f] -> y: float[b s h p f]',
  linear: [['x']],

  decompose({ x, cos, sin }) {
    const [x1, x2] = x.cast('f32').unstack('p');
    return {
      y: x1
        .mul(cos)
        .sub(x2.mul(sin))
        .stack([x2.mul(cos).add(x1.mul(sin))], 'p', 'b s h p f'),
    };
  },
  flops: ({ b, s, h, p, f }) => 3 * b * s * h * p * f,

  backward: {
    reads: ['cos', 'sin', 'dY'],
    gives: ['dX'],
    decompose({ cos, sin, dY }) {
      const [d1, d2] = dY.cast('f32').unstack('p');
      return {
        dX: d1
          .mul(cos)
          .add(d2.mul(sin))
          .stack([d2.mul(cos).sub(d1.mul(sin))], 'p', 'b s h p f'),
      };
    },
    flops: ({ b, s, h, p, f }) => 3 * b * s * h * p * f,
  },

  // A quarter turn takes (1, 2) to (−2, 1).
  example: {
    given: { x: [[[[[1], [2]]]]], cos: [[0]], sin: [[1]] },
    gives: { y: [[[[[-2], [1]]]]] },
  },
});
