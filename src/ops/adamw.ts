import { defineOp } from '../ir/define_op.js';

/**
 * One step of AdamW (Loshchilov, Hutter 2019), as PyTorch computes it.
 *
 *   g  = gradient · scale
 *   m' = β1 m + (1 − β1) g                 average
 *   v' = β2 v + (1 − β2) g²                square
 *   p' = p (1 − lr·decay) − (lr / c1) · m' / (√v' / √c2 + eps)
 *
 * `scale` is what clipping and the token count make of the gradient; c1 = 1 − β1^t and c2 = 1 − β2^t are `correction1` and
 * `correction2`, both of one step t, counted from 1: a kernel may take t from either. Where `skip` is not zero (a gradient was not
 * finite) nothing changes. All five scalars are operands, as they change from step to step. Elementwise: every factor splits, and
 * so does a flat bucket.
 */
export const adamw = defineOp({
  name: 'adamw',
  summary: 'One step of AdamW: the new parameter and its new moments.',
  signature:
    'parameter: f32[t], gradient: float[t], average: f32[t], square: f32[t], lr: f32[], scale: f32[], ' +
    'correction1: f32[], correction2: f32[], skip: f32[] -> newParameter: f32[t], newAverage: f32[t], newSquare: f32[t]',
  attributes: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 },

  decompose({ parameter, gradient, average, square, lr, scale, correction1, correction2, skip }, attributes) {
    const { beta1, beta2, eps, weight_decay: decay } = attributes as Readonly<Record<string, number>>;
    const g = gradient.cast('f32').mul(scale);
    const nextAverage = average.mul(beta1).add(g.mul(1 - beta1));
    const nextSquare = square.mul(beta2).add(g.square().mul(1 - beta2));
    const denominator = nextSquare.sqrt().div(correction2.sqrt()).add(eps);
    const decayed = parameter.mul(lr.mul(-decay).add(1));
    const nextParameter = decayed.sub(nextAverage.div(denominator).mul(lr.div(correction1)));
    const go = skip.eq(skip.constant(0));
    return {
      newParameter: go.where(nextParameter, parameter),
      newAverage: go.where(nextAverage, average),
      newSquare: go.where(nextSquare, square),
    };
  },
  flops: ({ t }) => 15 * t,

  // The first step moves a parameter by lr against the sign of its gradient.
  example: {
    given: {
      parameter: [1, 1],
      gradient: [4, -2],
      average: [0, 0],
      square: [0, 0],
      lr: 0.1,
      scale: 0.5,
      correction1: 0.1,
      correction2: 0.001,
      skip: 0,
    },
    attributes: { eps: 0, weight_decay: 0 },
    gives: { newParameter: [0.9, 1.1], newAverage: [0.2, -0.1], newSquare: [0.004, 0.001] },
  },
});
