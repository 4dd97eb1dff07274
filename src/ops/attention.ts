import { defineOp } from '../ir/define_op.js';
import {
  biasGradient,
  distanceIds,
  keysSeen,
  lowest,
  probabilities,
  scaleOf,
  scores,
  type OptionalOperands,
} from './attention_scores.js';
import { pairsSeen } from './pairs_seen.js';

/**
 * Scaled dot-product attention (Vaswani et al. 2017), with `r` query heads to each of `g` key/value heads (Ainslie et al. 2023).
 *
 *   score_st = scale · q_s · k_t             −∞ where s does not see t: `attention_scores.ts`
 *   o_s = Σ_t exp(score_st − logsumexp_s) · v_t     logsumexp_s = ln (Σ_t exp(score_st) + exp(sink))
 *
 *   p = exp(score − logsumexp)     D_s = o_s · do_s     dscore = p · (do · v − D)      (Dao et al. 2022, B.2)
 *   dsink = −Σ_s exp(sink − logsumexp_s) · D_s
 *
 * `sinks`: a learned logit a head that takes part in the softmax and has no value: what a query gives to nobody (gpt-oss; the sink tokens
 * of Xiao et al. 2023 without tokens). Without it that term is absent. The other optional operands are told in `attention_scores.ts`.
 *
 * Batch `b` and heads `g`, `r` split freely: tensor parallelism and Ulysses. So do the queries `s`, context parallelism: the kernel is
 * told the position of its first query. It needs the head dimension `d` and the keys `t` whole; where a plan splits `t` the
 * decomposition runs, its mask right under every split, the sums over `t` all-reduces. Queries and keys are aligned at position 0.
 *
 * Attributes: `causal`: a query sees no key behind it; `window`: of the keys before it (and, where not causal, behind it) it sees those
 * at a distance below that, 0 standing for all (Mistral's and Hugging Face's sliding window); `scale`, where 0 stands for 1/√d. With
 * `parts` it is one step of ring attention (Liu et al. 2023): part i of the queries meets part i + `turn` of the keys alone, so that each
 * rank has one of each. With `head_tail` queries are stored in that order for so many ranks (`ir/head_tail.ts`), and, with `parts`, so are
 * keys and values; else these are in their own.
 */
export const attention = defineOp({
  name: 'attention',
  summary: 'Scaled dot-product attention with grouped heads, causal or not, of all keys or those of a window.',
  signature:
    'q: float[b s@! g r d!], k: float[b t! g d], v: float[b t g d], ' +
    'starts?: int[b s], ends?: int[b s], sinks?: f32[g r], slopes?: f32[g r], bias?: f32[g r n!] ' +
    '-> o: float[b s g r d], logsumexp: f32[b s g r]',
  attributes: { causal: false, window: 0, scale: 0 },
  attributeKinds: {
    window: 'count?',
    scale: 'amount?',
    parts: 'integer?',
    turn: 'integer?',
    head_tail: 'integer?',
  },
  paired: ['s', 't'],

  decompose({ q, k, v, ...given }, attributes) {
    const { sinks }: OptionalOperands = given;
    const x = scores(q, k, given, attributes);
    const most = x.max('t').maximum(lowest);
    const max = sinks ? most.maximum(sinks).transpose(most.names) : most;
    const ofKeys = x.sub(max).exp().sum('t');
    const total = sinks ? ofKeys.add(sinks.sub(max).exp()).transpose(ofKeys.names) : ofKeys;
    const logsumexp = total.log().add(max);
    const probability = probabilities(x, logsumexp);
    return { o: probability.einsum([v.cast('f32')], 'b s g r d'), logsumexp: logsumexp.transpose('b s g r') };
  },
  flops: ({ b, s, t, g, r, d }, attributes) => b * g * r * s * keysSeen(t, attributes) * (4 * d + 5),
  flopsAt: ({ b, g, r, d }, place, attributes) => b * g * r * pairsSeen(place, attributes) * (4 * d + 5),

  backward: {
    reads: ['q', 'k', 'v', 'starts', 'ends', 'sinks', 'slopes', 'bias', 'o', 'logsumexp', 'dO'],
    gives: ['dQ', 'dK', 'dV', 'dSinks', 'dBias'],
    decompose({ q, k, v, o, logsumexp, dO, ...given }, attributes) {
      const { sinks, bias }: OptionalOperands = given;
      const d = dO.cast('f32');
      const probability = probabilities(scores(q, k, given, attributes), logsumexp);
      const dProbability = d.einsum([v.cast('f32')], 'b g r s t');
      const rowSum = d.einsum([o.cast('f32')], 'b s g r');
      const dBiased = probability.mul(dProbability.sub(rowSum));
      const dScores = dBiased.mul(scaleOf(q, attributes));
      return {
        ...(sinks && { dSinks: sinks.sub(logsumexp).exp().mul(rowSum).einsum([], 'g r').neg() }),
        ...(bias && { dBias: biasGradient(dBiased, distanceIds(q, bias, attributes), bias) }),
        dQ: dScores.einsum([k.cast('f32')], 'b s g r d'),
        dK: dScores.einsum([q.cast('f32')], 'b t g d'),
        dV: probability.einsum([d], 'b t g d'),
      };
    },
    flops: ({ b, s, t, g, r, d }, attributes) => b * g * r * s * keysSeen(t, attributes) * (10 * d + 6),
    flopsAt: ({ b, g, r, d }, place, attributes) => b * g * r * pairsSeen(place, attributes) * (10 * d + 6),
  },

  // A query that is orthogonal to both keys takes the mean of the values.
  example: {
    given: { q: [[[[[0, 1]]]]], k: [[[[1, 0]], [[2, 0]]]], v: [[[[10, 0]], [[20, 4]]]] },
    gives: { o: [[[[[15, 2]]]]], logsumexp: [[[[Math.log(2)]]]] },
  },
});
