/** Slopes and buckets against the authors' code, written out. */
import { expect, test } from 'vitest';
import { tensorType, elementsOf } from '../ir/type.js';
import { evaluate } from '../ops/evaluate.js';
import { GraphBuilder } from '../ir/builder.js';
import { ops } from '../ops/index.js';
import { LanguageModel } from './language_model.js';
import type { FactorSizes } from './module.js';
import { alibiSlopes, RelativeBias, type RelativeBiasOptions } from './relative_positions.js';
import { traceLogits } from './trace.js';
import type { Tensor } from '../ir/tensor.js';

/** `get_slopes` of github.com/ofirpress/attention_with_linear_biases. */
function get_slopes(n: number): readonly number[] {
  const get_slopes_power_of_2 = (n: number) => {
    const start = 2 ** -(2 ** -(Math.log2(n) - 3));
    return Array.from({ length: n }, (_, i) => start * start ** i);
  };
  if (Number.isInteger(Math.log2(n))) return get_slopes_power_of_2(n);
  const closest = 2 ** Math.floor(Math.log2(n));
  const between = get_slopes(2 * closest).filter((_, i) => i % 2 === 0);
  return [...get_slopes_power_of_2(closest), ...between.slice(0, n - closest)];
}

test.each([1, 2, 3, 6, 8, 12, 16, 25, 32])('ALiBi slopes of %d heads', (heads) => {
  const grouped: readonly FactorSizes[] = heads % 3 === 0 ? [{ kv_group: 3, group: heads / 3 }] : [];
  for (const factors of [{ heads }, ...grouped]) {
    const builder = new GraphBuilder(ops, 'slopes');
    const x = builder.input('x', 'data', tensorType('f32', factors));
    builder.output('slopes', alibiSlopes(x, x.factors).transpose(x.names));
    const { slopes } = evaluate(builder.build(), { x: new Float64Array(heads) }).outputs;
    get_slopes(heads).forEach((slope, i) => expect(slopes[i] / slope).toBeCloseTo(1, 6));
  }
});

/** `_relative_position_bucket` of Hugging Face's T5, in f32 as PyTorch computes it. */
function relative_position_bucket(
  relative_position: number,
  bidirectional: boolean,
  num_buckets: number,
  max_distance: number,
): number {
  const f32 = Math.fround;
  let relative_buckets = 0;
  if (bidirectional) {
    num_buckets /= 2;
    relative_buckets += relative_position > 0 ? num_buckets : 0;
    relative_position = Math.abs(relative_position);
  } else relative_position = -Math.min(relative_position, 0);
  const max_exact = num_buckets / 2;
  if (relative_position < max_exact) return relative_buckets + relative_position;
  const ratio = f32(f32(Math.log(f32(relative_position / max_exact))) / f32(Math.log(max_distance / max_exact)));
  return relative_buckets + Math.min(max_exact + Math.floor(f32(ratio * (num_buckets - max_exact))), num_buckets - 1);
}

class Biased extends LanguageModel<{ vocab: number; context: number; bias: RelativeBiasOptions }> {
  relative_bias = new RelativeBias(this.options.bias);

  forward(tokens: Tensor) {
    return this.relative_bias.forward(tokens);
  }
}

test.each<RelativeBiasOptions>([
  { heads: 2 },
  { heads: 2, bidirectional: true },
  { heads: 4, kv_heads: 2, buckets: 8, max_distance: 20 },
  { heads: 1, buckets: 12, max_distance: 5, bidirectional: true },
])('biases by distance: %o', (bias) => {
  const { heads, buckets = 32, max_distance = 128, bidirectional = false } = bias;
  const { graph } = traceLogits(new Biased({ vocab: 2, context: 4, bias }), { batch: 1, sequence: 4 });
  const inputs = graph.inputs.map(({ name, value }) => {
    const count = elementsOf(graph.values[value].type);
    // Of a bucket and a head, both.
    return [name, Float64Array.from({ length: count }, (_, i) => (name === 'tokens' ? 0 : i))] as const;
  });
  const { logits } = evaluate(graph, Object.fromEntries(inputs)).outputs;
  const distances = 2 * max_distance + 1;
  expect(logits).toHaveLength(heads * distances);
  for (let head = 0; head < heads; head++)
    for (let at = 0; at < distances; at++) {
      const bucket = relative_position_bucket(at - max_distance, bidirectional, buckets, max_distance);
      expect(logits[head * distances + at], `head ${head} at ${at - max_distance}`).toBe(bucket * heads + head);
    }
});

test.each([
  { heads: 2, buckets: 5 },
  { heads: 2, buckets: 6, bidirectional: true },
  { heads: 2, buckets: 32, max_distance: 16 },
])('%o is refused', (bias) => {
  expect(() => new RelativeBias(bias)).toThrow('nn/bad-size');
});
