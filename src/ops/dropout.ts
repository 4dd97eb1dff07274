import { factorAttributes } from '../ir/builder.js';
import { defineOp } from '../ir/define_op.js';
import type { Attributes } from '../ir/graph.js';
import type { Tensor } from '../ir/tensor.js';

/**
 * Dropout (Srivastava et al. 2014): each element is zero with probability `rate`, else divided by 1 − rate.
 *
 * The mask is a function of (seed, step, stream, microbatch, global element index), so it is the same under every layout and when
 * recomputed, and no mask is kept for the backward: the kernel is told where its block lies in the whole.
 *
 * Attributes: `rate`; `stream`, which tells this dropout from others; `ordered` and `head_tail` as of `random_uniform`.
 */
export const dropout = defineOp({
  name: 'dropout',
  summary: 'Zeroes elements at random with probability `rate` and scales the others up.',
  signature: 'x: float[t@], seed: int[], step: int[], microbatch: int[] -> y: float[t]',
  attributes: { rate: 0.1, stream: 0 },
  attributeKinds: { rate: 'share?', stream: 'integer?', ordered: 'factor?', head_tail: 'integer?' },
  linear: [['x']],

  decompose: ({ x, seed, step, microbatch }, attributes) => ({
    y: dropped(x, [seed, step, microbatch], attributes),
  }),
  flops: ({ t }) => 2 * t,

  backward: {
    reads: ['seed', 'step', 'microbatch', 'dY'],
    decompose: ({ seed, step, microbatch, dY }, attributes) => ({
      dX: dropped(dY, [seed, step, microbatch], attributes),
    }),
    flops: ({ t }) => 2 * t,
  },

  // The first two random numbers of this stream are 0.399 and 0.972.
  example: {
    given: { x: [1, 1], seed: 0, step: 0, microbatch: 0 },
    attributes: { rate: 0.5, stream: 0 },
    gives: { y: [0, 2] },
  },
});

function dropped(x: Tensor, keys: readonly Tensor[], attributes: Attributes): Tensor {
  const rate = attributes.rate as number;
  const [random] = x.builder.apply('random_uniform', keys, {
    ...factorAttributes(x.factors),
    stream: attributes.stream,
    ...(attributes.ordered !== undefined && { ordered: attributes.ordered, head_tail: attributes.head_tail }),
  });
  const kept = random.ge(random.constant(rate));
  const wide = x.cast('f32');
  return kept.where(wide.mul(1 / (1 - rate)), wide.constant(0));
}
