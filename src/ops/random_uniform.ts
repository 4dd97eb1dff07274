import type { OpDefinition } from '../ir/op.js';
import { madeFactors, primitiveRule, resultType } from './bind.js';
import { elements, nest, type Loop } from './strides.js';

/**
 * Uniform numbers in [0, 1), 24 random bits each: a pure function of (seed, step, stream, microbatch, global element index).
 *
 * Attributes: factors as `names` and `sizes`; `stream`, which tells one use of randomness from another. A rank that holds a block
 * draws exactly the numbers that the whole tensor has there, and a recomputed op draws them again. The counter is
 * microbatch · elements + index, so numbers do not depend either on how many logical microbatches, as a leading factor, go through
 * at once.
 *
 * The generator is Philox 4×32 with 10 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): counter
 * (low, high of the counter; step; stream), key (low, high of the seed); the top 24 bits of the first word are used.
 */
export const randomUniform: OpDefinition = {
  name: 'random_uniform',
  summary: 'Uniform numbers in [0, 1), a pure function of seed, step, stream, microbatch and global element index.',
  operands: ['seed', 'step', 'microbatch'],
  results: ['y'],
  bind(call) {
    const made = madeFactors(call.attributes);
    const names = made.map((f) => f.name);
    const rule = primitiveRule('random_uniform', call, { results: [names], made, origins: names });
    return { rule, results: [resultType(call, rule, names, 'f32')] };
  },
  flops: () => 0,
  reference({ rule, attributes, sizes, origins, inputs: [[seed], [step], [microbatch]] }) {
    const [names] = rule.results;
    const y = new Float64Array(elements(names, sizes));
    const whole = Object.fromEntries(names.map((name) => [name, rule.factors[name].size]));
    const strides = names.map((_, i) => elements(names.slice(i + 1), whole));
    const start = names.reduce((sum, name, i) => sum + (origins[name] ?? 0) * strides[i], 0);
    const base = microbatch * elements(names, whole) + start;
    const loops: Loop[] = names.map((name, i) => ({ size: sizes[name], strides: [strides[i]] }));
    let at = 0;
    nest(loops, 1, ([index]) => {
      y[at++] = (philox(base + index, step, attributes.stream as number, seed) >>> 8) / 2 ** 24;
    });
    return [y];
  },
  // The first words of Philox 4×32-10 for counters 0 and 1 under key 0.
  example: {
    given: { seed: 0, step: 0, microbatch: 0 },
    dtypes: { seed: 'i64', step: 'i64', microbatch: 'i64' },
    attributes: { names: ['i'], sizes: [2], stream: 0 },
    gives: { y: [(0x6627e8d5 >>> 8) / 2 ** 24, (0xf8e4cca4 >>> 8) / 2 ** 24] },
  },
};

/** The first of the four words. */
function philox(counter: number, step: number, stream: number, seed: number): number {
  let c0 = low(counter);
  let c1 = high(counter);
  let c2 = low(step);
  let c3 = low(stream);
  let k0 = low(seed);
  let k1 = high(seed);
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return c0;
}

const low = (x: number): number => x | 0;
const high = (x: number): number => Math.floor(x / 2 ** 32) | 0;

/** The upper 32 bits of an unsigned product of 32 bits each. */
function multiplyHigh(a: number, b: number): number {
  const [a1, a0, b1, b0] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  // Math.floor, as these sums reach 2^32.
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(other / 65536)) | 0;
}
