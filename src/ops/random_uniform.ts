import type { OpDefinition } from '../ir/op.js';
import { headTailPositions } from '../ir/head_tail.js';
import { madeFactors, primitiveRule, resultType } from './bind.js';
import { elements, nest, type Loop } from './strides.js';
import { highWord, lowWord, philox } from './philox.js';

/**
 * Uniform numbers in [0, 1), 24 random bits each: a pure function of (seed, step, stream, microbatch, global element index).
 *
 * Attributes: factors as `names` and `sizes`; `stream`, which tells one use of randomness from another. A rank that holds a block
 * draws exactly the numbers that the whole tensor has there, and a recomputed op draws them again. The counter is
 * microbatch · elements + index, so numbers do not depend either on how many logical microbatches, as a leading factor, go through
 * at once. Of a factor that is stored head-tail (`ordered`, `head_tail`: `ir/head_tail.ts`) the index is that of its own order.
 *
 * The generator is `philox.ts`: counter (low, high of the counter; step; stream), key (low, high of the seed); the top 24 bits of the
 * first word are used.
 */
export const randomUniform: OpDefinition = {
  name: 'random_uniform',
  summary: 'Uniform numbers in [0, 1), a pure function of seed, step, stream, microbatch and global element index.',
  operands: ['seed', 'step', 'microbatch'],
  results: ['y'],
  attributeKinds: {
    names: 'factors',
    sizes: 'integers',
    stream: 'integer',
    ordered: 'factor?',
    head_tail: 'integer?',
  },
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
    const { ordered } = attributes;
    const start = names.reduce((sum, name, i) => sum + (name === ordered ? 0 : (origins[name] ?? 0) * strides[i]), 0);
    const base = microbatch * elements(names, whole) + start;
    const loops: Loop[] = names.map((name, i) => ({
      size: sizes[name],
      strides: name === ordered ? [0, 1] : [strides[i], 0],
    }));
    const along =
      ordered === undefined ? [0] : headTailPositions(whole[ordered as string], attributes.head_tail as number);
    const [first, stride] =
      ordered === undefined ? [0, 0] : [origins[ordered as string] ?? 0, strides[names.indexOf(ordered as string)]];
    const words = new Uint32Array(4);
    const [c2, c3] = [lowWord(step), lowWord(attributes.stream as number)];
    let at = 0;
    nest(loops, 2, ([others, stored]) => {
      const index = others + along[first + stored] * stride;
      const [c0, c1] = [lowWord(base + index), highWord(base + index)];
      philox(words, { c0, c1, c2, c3 }, lowWord(seed), highWord(seed));
      y[at++] = (words[0] >>> 8) / 2 ** 24;
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
