/**
 * What attention softmaxes: for each query and key, the score, or −∞ where the query does not see the key.
 *
 * Masks are functions of a query's and a key's position in their sequence, never of where a row lies: they are right under every split.
 * Each leaves a query one run of positions to see, which is what kernels work with (`native/kernels/attention.h`):
 *
 *   causal      key ≤ query
 *   window w    query − key < w, and, where not causal, key − query < w      (w = 1: itself alone)
 *   parts       of queries and keys meet in pairs: `paired.ts`
 *
 * A query may see no key. Then `o` is 0 and `logsumexp` −∞, the logarithm of an empty sum, for every kernel: a merge weighs such a part
 * by exp(−∞ − …) = 0. (Flash attention's own says +∞.)
 */
import type { Attributes } from '../ir/graph.js';
import type { Tensor } from '../ir/tensor.js';
import { meets } from './paired.js';

/** Masked scores in f32, [b g r s t]. */
export function scores(q: Tensor, k: Tensor, attributes: Attributes): Tensor {
  const x = q
    .cast('f32')
    .einsum([k.cast('f32')], 'b g r s t')
    .mul(scaleOf(q, attributes));
  const position = (letter: string) => q.builder.index(q.scope.get(letter) ?? [], 'i32', q.scope);
  return masks(
    () => position('s'),
    () => position('t'),
    attributes,
    q.size('s'),
  ).reduce((masked, seen) => seen.where(masked, masked.constant(-Infinity)).transpose('b g r s t'), x);
}

/** What a query must fulfil to see a key, each a truth of their positions. */
function masks(query: () => Tensor, key: () => Tensor, attributes: Attributes, size: number): readonly Tensor[] {
  const { causal, window, parts = 0 } = attributes;
  const before = (window as number) - 1;
  return [
    ...(causal ? [query().ge(key())] : []),
    ...(window ? [key().add(before).ge(query())] : []),
    ...(window && !causal ? [query().add(before).ge(key())] : []),
    ...(parts ? [meets(query(), key(), size, attributes)] : []),
  ];
}

/** exp(score − logsumexp), 0 where the query sees no key at all. */
export const probabilities = (scores: Tensor, logsumexp: Tensor): Tensor => scores.sub(logsumexp.maximum(lowest)).exp();

/** Below every score: what stands for −∞ where two of them would be subtracted. */
export const lowest = -1e30;

export const scaleOf = (q: Tensor, { scale }: Attributes): number => (scale as number) || 1 / Math.sqrt(q.size('d'));

/**
 * How many of `t` keys a query sees on the average, positions spread over all of them, counted as an area: half of t² under `causal`. Of
 * parts that meet in pairs, what does not lie behind: of the N parts that come by `turn` do not.
 */
export function keysSeen(t: number, { causal, window, parts = 0, turn = 0 }: Attributes): number {
  if (turn !== 0 && causal) return (t * (turn as number)) / (parts as number);
  const width = Math.min((window as number) || t, t);
  return (causal ? 1 : 2) * (width - width ** 2 / (2 * t));
}
