/** Choosing a token from logits. */
import { highWord, lowWord, philox } from '../ops/philox.js';

export interface TokenChoice {
  readonly temperature: number;
  /** Of how many of the likeliest tokens one is drawn; 0: of all. */
  readonly top_k: number;
  /** Uniform in [0, 1). */
  readonly random: number;
}

/** Draws from softmax(logits / temperature) over the `top_k` likeliest; temperature 0 takes the likeliest, the first of equals. */
export function chooseToken(logits: Float64Array, { temperature, top_k, random }: TokenChoice): number {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  if (temperature === 0) return order[0];
  const kept = order.slice(0, top_k || order.length);
  const weights = kept.map((id) => Math.exp((logits[id] - logits[kept[0]]) / temperature));
  let left = random * weights.reduce((a, b) => a + b, 0);
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return kept[i];
  }
  return kept[kept.length - 1];
}

/** The `index`-th number of a seed's sequence: 24 bits, in [0, 1). */
export function uniformNumbers(seed: number): (index: number) => number {
  const words = new Uint32Array(4);
  return (index) => {
    philox(words, { c0: lowWord(index), c1: highWord(index), c2: 0, c3: 0 }, lowWord(seed), highWord(seed));
    return (words[0] >>> 8) / 2 ** 24;
  };
}
