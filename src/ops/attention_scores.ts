/**
 * What attention softmaxes: for each query and key, the score, or −∞ where the query does not see the key.
 *
 * Masks and what is added to scores are functions of a query's and a key's position in their sequence, never of where a row lies: they
 * are right under every split. Each mask leaves a query one run of positions to see, which is what kernels work with
 * (`native/kernels/attention.h`):
 *
 *   causal        key ≤ query
 *   window w      query − key < w, and, where not causal, key − query < w      (w = 1: itself alone)
 *   starts, ends  starts ≤ key, key < ends      of each query: where its document begins, and behind its last key
 *   parts         of queries and keys meet in pairs: `paired.ts`
 *
 *   slopes m      score − m · |key − query|      ALiBi (Press et al. 2022), a slope a head
 *   bias β        score + β[key − query]         n = 2·far + 1 distances, −far … far; beyond them, that of the farthest (T5, Shaw et al.)
 *
 * A query may see no key. Then `o` is 0 and `logsumexp` −∞ (with a sink, the sink), the logarithm of an empty sum, for every kernel: a
 * merge weighs such a part by exp(−∞ − …) = 0. (Flash attention's own says +∞.)
 */
import type { DType } from '../ir/dtype.js';
import type { Attributes } from '../ir/graph.js';
import type { Tensor } from '../ir/tensor.js';
import { headTailRuns } from '../ir/head_tail.js';
import { meets } from './paired.js';

/** Those of attention, as far as a call gives them. */
export interface OptionalOperands {
  readonly starts?: Tensor;
  readonly ends?: Tensor;
  readonly sinks?: Tensor;
  readonly slopes?: Tensor;
  readonly bias?: Tensor;
}

/** Masked scores in f32, [b g r s t]. */
export function scores(q: Tensor, k: Tensor, given: OptionalOperands, attributes: Attributes): Tensor {
  const { slopes, bias } = given;
  let x = q
    .cast('f32')
    .einsum([k.cast('f32')], 'b g r s t')
    .mul(scaleOf(q, attributes));
  if (slopes) x = x.sub(apart(q, attributes).mul(slopes)).transpose('b g r s t');
  if (bias) x = x.add(biasOf(bias, distanceIds(q, bias, attributes))).transpose('b g r s t');
  return masks(q, given, attributes).reduce(
    (masked, seen) => seen.where(masked, masked.constant(-Infinity)).transpose('b g r s t'),
    x,
  );
}

/** What a query must fulfil to see a key, each a truth of their positions. */
function masks(q: Tensor, { starts, ends }: OptionalOperands, attributes: Attributes): readonly Tensor[] {
  const { causal, window, parts = 0 } = attributes;
  const [query, key] = [() => position(q, 's', attributes), () => position(q, 't', attributes)];
  const before = (window as number) - 1;
  return [
    ...(causal ? [query().ge(key())] : []),
    ...(window ? [key().add(before).ge(query())] : []),
    ...(window && !causal ? [query().add(before).ge(key())] : []),
    ...(parts ? [meets(indexOf(q, 's'), indexOf(q, 't'), q.size('s'), attributes)] : []),
    ...(starts ? [position(q, 't', attributes, starts.dtype).ge(starts)] : []),
    ...(ends ? [position(q, 't', attributes, ends.dtype).lt(ends)] : []),
  ];
}

const indexOf = (q: Tensor, letter: 's' | 't', dtype: DType = 'i32'): Tensor =>
  q.builder.index(q.scope.get(letter) ?? [], dtype, q.scope);

/** Queries, and the keys that they are paired with, may be stored in another order than their own. */
function position(q: Tensor, letter: 's' | 't', attributes: Attributes, dtype: DType = 'i32'): Tensor {
  const { head_tail: ranks = 0, parts = 0 } = attributes;
  const index = indexOf(q, letter, dtype);
  return ranks !== 0 && (letter === 's' || parts !== 0) ? positionOf(index, q.size('s'), ranks as number) : index;
}

/** The position of what is stored head-tail, from where it is stored. */
function positionOf(stored: Tensor, size: number, ranks: number): Tensor {
  const runs = headTailRuns(size, ranks).filter(({ length }) => length > 0);
  return runs.reduce<Tensor>((found, run) => {
    const here = stored.add(run.position - run.stored);
    return run.stored === 0 ? here : stored.ge(stored.constant(run.stored)).where(here, found);
  }, stored);
}

/** key − query, [s t]. */
const distance = (q: Tensor, attributes: Attributes): Tensor =>
  position(q, 't', attributes).sub(position(q, 's', attributes));

/** |key − query| in f32, [s t]. */
function apart(q: Tensor, attributes: Attributes): Tensor {
  const signed = distance(q, attributes).cast('f32');
  return signed.maximum(signed.neg());
}

/** Which of the biases a query's scores of a key take, [s t]. */
export function distanceIds(q: Tensor, bias: Tensor, attributes: Attributes): Tensor {
  const far = (bias.size('n') - 1) / 2;
  return distance(q, attributes).maximum(-far).minimum(far).add(far);
}

const biasOf = (bias: Tensor, ids: Tensor): Tensor =>
  bias.apply('gather', [ids], { by: bias.expand('n'), to: bias.expand('g r s t') });

/** The gradient of the biases, [g r n], from that of scores. */
export const biasGradient = (dScores: Tensor, ids: Tensor, bias: Tensor): Tensor =>
  dScores
    .einsum([], 'g r s t')
    .apply('scatter', [ids], { by: bias.expand('n'), to: bias.expand('g r n'), sizes: [bias.size('n')] });

/** exp(score − logsumexp), 0 where the query sees no key at all. */
export const probabilities = (scores: Tensor, logsumexp: Tensor): Tensor => scores.sub(logsumexp.maximum(lowest)).exp();

/** Below every score: what stands for −∞ where two of them would be subtracted. */
export const lowest = -1e30;

export const scaleOf = (q: Tensor, { scale }: Attributes): number => (scale as number) || 1 / Math.sqrt(q.size('d'));

/**
 * How many of `t` keys a query sees on the average, positions spread over all of them, counted as an area: half of t² under `causal`. Of
 * parts that meet in pairs, what does not lie behind: of the N parts that come by `turn` do not, and stored head-tail half of each. Documents
 * are data: they are counted as one.
 */
export function keysSeen(t: number, { causal, window, parts = 0, turn = 0, head_tail: ranks = 0 }: Attributes): number {
  const reach = (window as number) || Infinity;
  if (turn === 0) {
    const width = Math.min(reach, t);
    return (causal ? 1 : 2) * (width - width ** 2 / (2 * t));
  }
  if (ranks && causal) return t / 2;
  const [count, by] = [parts as number, turn as number];
  // Of the keys of a part that begins `apart` before or behind, those within reach.
  const of = (apart: number) => {
    const more = Math.max(-t, Math.min(t, reach - apart));
    return more < 0 ? (t + more) ** 2 / (2 * t) : t - (t - more) ** 2 / (2 * t);
  };
  const before = (by / count) * of((count - by) * t);
  return causal ? before : before + ((count - by) / count) * of(by * t);
}
