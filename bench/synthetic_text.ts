/** Text that can be learnt: what a comparison of losses trains on where there is no corpus. */
import type { Rows } from '../src/train/step_inputs.js';

/** One batch, another for each `seed`: eight words may follow each word, chosen by a hash. */
export function syntheticText(
  { vocab, context }: { readonly vocab: number; readonly context: number },
  sequences: number,
  seed: number,
): Rows {
  const length = sequences * context + 1;
  const text = new Int32Array(length);
  for (let i = 1; i < length; i++) text[i] = (5 * text[i - 1] + 1 + (hash(seed * length + i) % 8)) % vocab;
  return (first, count) => {
    const [from, to] = [first * context, (first + count) * context];
    return { tokens: text.subarray(from, to), labels: text.subarray(from + 1, to + 1) };
  };
}

function hash(x: number): number {
  let h = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}
