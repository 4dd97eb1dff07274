import { defineOp } from '../ir/define_op.js';

/**
 * Cross-entropy of integer labels against unnormalised logits: one loss per token.
 *
 *   loss_t = ln Σ_v exp(logits_tv) − logits_t,label(t)
 *   ∂loss_t / ∂logits_tv = softmax(logits_t)_v − [v = label(t)]
 *
 * Tokens `t` split freely. The fused kernel needs the vocabulary whole (`v!`); where a plan splits it, the
 * decomposition runs, its three reductions over `v` now all-reduces of t numbers: Megatron-LM's
 * vocabulary-parallel loss, with no code of its own. The backward reduces nothing: its kernel is told where its
 * block of the vocabulary begins.
 *
 * A label outside the vocabulary chooses nothing: its loss is logsumexp, and is to be masked by a zero weight.
 *
 * Source: Shoeybi et al. 2019 (arXiv:1909.08053) §3; subtracting the maximum: Blanchard, Higham, Higham 2021.
 */
export const softmaxCrossEntropy = defineOp({
  name: 'softmax_cross_entropy',
  summary: 'Cross-entropy of integer labels against unnormalised logits: one loss per token.',
  signature: 'logits: float[t v!], labels: int[t] -> loss: f32[t], logsumexp: f32[t]',

  decompose({ logits, labels }) {
    const x = logits.cast('f32');
    const max = x.max('v');
    const logsumexp = x.sub(max).exp().sum('v').log().add(max);
    const chosen = x.mul(labels.oneHot('v')).sum('v');
    return { loss: logsumexp.sub(chosen), logsumexp };
  },
  flops: ({ t, v }) => 6 * t * v, // max, sub, exp, sum; mul, sum

  backward: {
    reads: ['logits', 'labels', 'logsumexp', 'dLoss'], // what must stay alive
    marks: { v: '@!' },
    decompose({ logits, labels, logsumexp, dLoss }) {
      const probability = logits.cast('f32').sub(logsumexp).exp();
      return { dLogits: probability.sub(labels.oneHot('v')).mul(dLoss) };
    },
    flops: ({ t, v }) => 4 * t * v,
  },

  // Equal logits over 4 words: the loss is ln 4, and so is logsumexp.
  example: {
    given: { logits: [[0, 0, 0, 0]], labels: [2] },
    gives: { loss: [Math.log(4)], logsumexp: [Math.log(4)] },
  },
});
