/** Tables of rotary positions against the formulae of Hugging Face's `modeling_rope_utils.py` and of the papers, written out in f64. */
import { expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { tensorType } from '../ir/type.js';
import { evaluate } from '../ops/evaluate.js';
import { ops } from '../ops/index.js';
import { rotaryTables, type RotaryOptions, type RotaryScaling } from './rotary.js';

const sequence = 37;

function tablesOf(options: RotaryOptions, pairs: number) {
  const builder = new GraphBuilder(ops, 'tables');
  const x = builder.input('x', 'data', tensorType('f64', { sequence, pair: 2, frequency: pairs }));
  const [cos, sin] = rotaryTables(x, options, pairs);
  builder.output('cos', cos.transpose(['sequence', 'frequency']));
  builder.output('sin', sin.transpose(['sequence', 'frequency']));
  return evaluate(builder.build(), { x: new Float64Array(sequence * 2 * pairs) }).outputs;
}

/** Inverse frequencies and what tables are multiplied by, as `_compute_…_parameters` has them. */
type Formula = (
  inv_freq: readonly number[],
  dim: number,
  base: number,
  s: Required<RotaryScaling>,
) => readonly [readonly number[], number];

const llama3: Formula = (inv_freq, _dim, _base, s) => {
  const low_freq_wavelen = s.original_max_position_embeddings / s.low_freq_factor;
  const high_freq_wavelen = s.original_max_position_embeddings / s.high_freq_factor;
  const llama = inv_freq.map((inv) => {
    const wavelen = (2 * Math.PI) / inv;
    if (wavelen > low_freq_wavelen) return inv / s.factor;
    if (wavelen < high_freq_wavelen) return inv;
    const smooth =
      (s.original_max_position_embeddings / wavelen - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    return ((1 - smooth) * inv) / s.factor + smooth * inv;
  });
  return [llama, 1];
};

const yarn: Formula = (inv_freq, dim, base, s) => {
  const find_correction_dim = (rotations: number) =>
    (dim * Math.log(s.original_max_position_embeddings / (rotations * 2 * Math.PI))) / (2 * Math.log(base));
  let low = find_correction_dim(s.beta_fast);
  let high = find_correction_dim(s.beta_slow);
  if (s.truncate) [low, high] = [Math.floor(low), Math.ceil(high)];
  [low, high] = [Math.max(low, 0), Math.min(high, dim - 1)];
  if (low === high) high += 0.001;
  const scaled = inv_freq.map((extrapolation, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    const extrapolation_factor = 1 - ramp;
    return (extrapolation / s.factor) * (1 - extrapolation_factor) + extrapolation * extrapolation_factor;
  });
  return [scaled, s.attention_factor ?? (s.factor <= 1 ? 1 : 0.1 * Math.log(s.factor) + 1)];
};

/** Peng et al. 2023, section 3.2: r(d) = L/λ_d, γ(r), h(θ) = (1 − γ)θ/s + γθ. */
const byParts: Formula = (inv_freq, _dim, _base, s) => {
  const gamma = (r: number) =>
    r < s.beta_slow ? 0 : r > s.beta_fast ? 1 : (r - s.beta_slow) / (s.beta_fast - s.beta_slow);
  return [
    inv_freq.map((theta) => {
      const share = gamma(s.original_max_position_embeddings / ((2 * Math.PI) / theta));
      return ((1 - share) * theta) / s.factor + share * theta;
    }),
    1,
  ];
};

const formulas: Readonly<Record<string, Formula>> = {
  default: (inv_freq) => [inv_freq, 1],
  linear: (inv_freq, _dim, _base, s) => [inv_freq.map((inv) => inv / s.factor), 1],
  ...{ llama3, yarn, ntk_by_parts: byParts },
};

const usual = {
  beta_fast: 32,
  beta_slow: 1,
  low_freq_factor: 1,
  high_freq_factor: 4,
  attention_factor: null,
  truncate: true,
};
const given = (rope_type: RotaryScaling['rope_type'], more: Partial<RotaryScaling> = {}): RotaryScaling => ({
  ...{ rope_type, factor: 8, original_max_position_embeddings: 512 },
  ...more,
});

test.each<readonly [number, number, RotaryScaling]>([
  [10_000, 16, given('default')],
  [10_000, 16, given('linear')],
  [10_000, 32, given('ntk_by_parts')],
  [10_000, 32, given('ntk_by_parts', { beta_fast: 8, beta_slow: 2, factor: 3.5 })],
  [10_000, 64, given('yarn', { factor: 16, original_max_position_embeddings: 4096 })],
  [150_000, 32, given('yarn', { factor: 32, original_max_position_embeddings: 4096, truncate: false })],
  [10_000, 4, given('yarn', { attention_factor: 1.25, original_max_position_embeddings: 8 })],
  [500_000, 64, given('llama3', { original_max_position_embeddings: 8192 })],
  [100, 8, given('llama3', { low_freq_factor: 2, high_freq_factor: 9, factor: 2 })],
])('base %d, %d pairs, %o', (base, pairs, scaling) => {
  const dim = 2 * pairs;
  const plain = Array.from({ length: pairs }, (_, i) => 1 / base ** ((2 * i) / dim));
  const [inv_freq, by] = formulas[scaling.rope_type](plain, dim, base, { ...usual, ...scaling });
  const { cos, sin } = tablesOf({ base, scaling }, pairs);
  for (let position = 0; position < sequence; position++)
    inv_freq.forEach((inv, i) => {
      expect(cos[position * pairs + i]).toBeCloseTo(by * Math.cos(position * inv), 11);
      expect(sin[position * pairs + i]).toBeCloseTo(by * Math.sin(position * inv), 11);
    });
});

test('each kind has other tables', () => {
  const kinds = ['default', 'linear', 'ntk_by_parts', 'yarn', 'llama3'] as const;
  const sums = kinds.map((kind) => tablesOf({ base: 10_000, scaling: given(kind) }, 16).sin.reduce((a, b) => a + b, 0));
  expect(new Set(sums.map((sum) => sum.toFixed(6))).size).toBe(kinds.length);
});
