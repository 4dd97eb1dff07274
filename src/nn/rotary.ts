/**
 * Rotary positions (Su et al. 2021): tables of cosines and sines, and how their frequencies are stretched to read further than a model was
 * trained to. Names are those of Hugging Face's `rope_scaling` (`rope_parameters`).
 *
 *   θ_i = base^(−i/n), i < n = head_dim/2        angle = position · θ_i        λ_i = 2π/θ_i, the positions of one turn
 *
 *   linear         θ/s                                                       s = factor (Chen et al. 2023)
 *   ntk_by_parts   θ · (γ + (1 − γ)/s), γ = clamp((L/λ − slow)/(fast − slow))    L = original_max_position_embeddings (Peng et al. 2023, §3.2)
 *   llama3         the same, with low_freq_factor and high_freq_factor for slow and fast (Llama 3.1)
 *   yarn           the same with γ = 1 − clamp((i − low)/(high − low)), where low and high are the i at which L/λ is beta_fast and beta_slow
 *                  (whole numbers where `truncate`); and both tables times attention_factor = 0.1 · ln s + 1        (its authors' code)
 *
 * Attention within one document is a function of differences of positions: where documents are separate, the tables stay as they are.
 */
import { atLeastF32 } from '../ir/dtype.js';
import type { Tensor } from '../ir/tensor.js';

export interface RotaryOptions {
  /** θ_i = base^(−2i/head_dim). */
  readonly base: number;
  readonly scaling?: RotaryScaling;
}

export const ropeTypes = ['default', 'linear', 'ntk_by_parts', 'yarn', 'llama3'] as const;

export interface RotaryScaling {
  readonly rope_type: (typeof ropeTypes)[number];
  /** How many times further positions reach. */
  readonly factor: number;
  /** Positions of the training before. */
  readonly original_max_position_embeddings: number;
  /** Turns within these positions from which on a frequency is kept; ntk_by_parts, yarn. Default 32. */
  readonly beta_fast?: number;
  /** Turns below which a frequency is divided by the factor. Default 1. */
  readonly beta_slow?: number;
  /** Default 4; llama3. */
  readonly high_freq_factor?: number;
  /** Default 1. */
  readonly low_freq_factor?: number;
  /** What yarn multiplies both tables by; null or absent: 0.1 · ln factor + 1. */
  readonly attention_factor?: number | null;
  /** Whether yarn rounds the ends of its ramp outwards. Default true. */
  readonly truncate?: boolean;
}

/** Cosines and sines [sequence frequency] for `frequencies` pairs, in at least f32. */
export function rotaryTables(
  x: Tensor,
  { base, scaling }: RotaryOptions,
  frequencies: number,
): readonly [cos: Tensor, sin: Tensor] {
  const dtype = atLeastF32(x.dtype);
  const step = x.builder.iota({ name: 'frequency', size: frequencies }, dtype);
  const period = step.mul(Math.log(base) / frequencies).exp();
  const position = x.builder.iota({ name: 'sequence', size: x.size('sequence') }, dtype);
  const angle = position.div(period);
  const tables = (turned: Tensor) => [turned.apply('cos'), turned.apply('sin')] as const;
  if (!scaling || scaling.rope_type === 'default') return tables(angle);
  const { factor } = scaling;
  if (scaling.rope_type === 'linear') return tables(angle.mul(1 / factor));
  const kept = scaling.rope_type === 'yarn' ? yarnShare(step, base, scaling) : shareByTurns(period, scaling);
  const [cos, sin] = tables(angle.mul(kept.mul(1 - 1 / factor).add(1 / factor)));
  const by = scaling.rope_type === 'yarn' ? (scaling.attention_factor ?? 0.1 * Math.log(factor) + 1) : 1;
  return by === 1 ? [cos, sin] : [cos.mul(by), sin.mul(by)];
}

/** γ [frequency]: 1 where a frequency turns more often than `fast` times in the original positions, 0 where less than `slow` times. */
function shareByTurns(period: Tensor, scaling: RotaryScaling): Tensor {
  const isLlama = scaling.rope_type === 'llama3';
  const { low_freq_factor = 1, high_freq_factor = 4, beta_slow = 1, beta_fast = 32 } = scaling;
  const [slow, fast] = isLlama ? [low_freq_factor, high_freq_factor] : [beta_slow, beta_fast];
  const turns = period
    .constant(scaling.original_max_position_embeddings / (2 * Math.PI))
    .div(period)
    .transpose('frequency');
  return clamped(turns.sub(slow).mul(1 / (fast - slow)));
}

/** γ [frequency] by the number of a frequency. */
function yarnShare(step: Tensor, base: number, scaling: RotaryScaling): Tensor {
  const { original_max_position_embeddings: length, beta_fast = 32, beta_slow = 1, truncate = true } = scaling;
  const frequencies = step.size('frequency');
  const at = (turns: number) => (frequencies * Math.log(length / (turns * 2 * Math.PI))) / Math.log(base);
  const [from, to] = truncate ? [Math.floor(at(beta_fast)), Math.ceil(at(beta_slow))] : [at(beta_fast), at(beta_slow)];
  const [low, high] = [Math.max(from, 0), Math.min(to, 2 * frequencies - 1)];
  // Ends that are one: a step.
  const width = high === low ? 0.001 : high - low;
  return clamped(step.sub(low).mul(1 / width))
    .neg()
    .add(1);
}

const clamped = (x: Tensor): Tensor => x.maximum(0).minimum(1);
