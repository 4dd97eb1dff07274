/** A change to a configuration under which its job fits into a machine's memory: each is forecast as the run itself would be. */
import type { TrainConfig } from '../../config/schema.js';
import { modelOf } from '../../config/model_objects.js';
import { familyNamed } from '../../nn/models/families.js';
import type { LanguageModel } from '../../nn/language_model.js';
import type { Target } from '../../kernels/target.js';
import { divisorsOf } from '../../options/divisors.js';
import { ranksTogether, sharedSizesOf } from '../../plan/nearest_sizes.js';
import { zeroStages } from '../../plan/plan.js';
import { choosePlan, ranksOfConfig } from '../choose_plan.js';
import { floorBytes, forecastBytes, runtimeBytes } from './forecast.js';
import { shapeOf } from './job_shape.js';
import { parameterCountOf, type DescribedModel } from './model_size.js';

/** A change as a user writes it: `batch.microbatch=2`. */
export interface Change {
  readonly text: string;
  readonly config: TrainConfig;
}

export interface FittingRequest {
  readonly config: TrainConfig;
  /** The model as it is; null where it is too large to be built. */
  readonly model: LanguageModel | null;
  readonly target: Target;
  /** Ranks of the job, where an outer launcher has started them; else null. */
  readonly worldSize: number | null;
  readonly localRanks: number;
  /** Rows of the embedding. */
  readonly vocab: number;
}

/** Compilations that the search may take for one kind of change. */
const mostTries = 6;

/** Layers that are compiled to see whether they fit: more take minutes. */
const mostLayers = 16;

/**
 * A smaller microbatch, fewer sequences, optimizer state divided, or fewer ranks: the first of these that fits alone. Null where none does.
 * `bytes`: of the job as it is.
 */
export function fittingChange(request: FittingRequest, limit: number, bytes: number): Change | null {
  for (const kind of [microbatches, sequences, zeroStage, fewerRanks, both]) {
    const fitting = kind(request, limit, bytes)
      .slice(0, mostTries)
      .find(({ config }) => fits(config, request, limit));
    if (fitting) return fitting;
  }
  return null;
}

/** Fewer layers, else a smaller vocabulary, else a smaller width: the first that fits alone, and of it about as much as does. */
export function fittingModel(request: FittingRequest, limit: number): Change | null {
  const { config, vocab } = request;
  const { model } = config;
  if (model.family === 'custom') return null;
  const unit = familyNamed(model.family)!.widthStep(model as never);
  const { tokenizer } = config.data;
  type Kind = readonly [field: string, least: number, most: number, of: (value: number) => DescribedModel];
  const vocabularies: Kind = ['vocab', tokenizer.vocab, vocab - 1, (value) => ({ ...model, vocab: value })];
  const kinds: readonly Kind[] = [
    ['layers', 1, Math.min(mostLayers, model.layers - 1), (layers) => ({ ...model, layers })],
    ...(model.vocab === null || tokenizer.file !== null ? [] : [vocabularies]),
    ['dim', 1, Math.ceil(model.dim / unit) - 1, (value) => ({ ...model, dim: value * unit })],
  ];
  for (const [field, least, most, of] of kinds) {
    const at = (value: number): TrainConfig => ({ ...config, model: of(value) });
    const value = largestOf(least, most, (one) => fits(at(one), request, limit));
    if (value === null) continue;
    return { text: `model.${field}=${field === 'dim' ? value * unit : value}`, config: at(value) };
  }
  return null;
}

/** False where the configuration has no legal plan, too. */
function fits(
  config: TrainConfig,
  { model: built, target, worldSize, localRanks, vocab }: FittingRequest,
  limit: number,
) {
  try {
    const ranks = worldSize === null ? Math.min(localRanks, ranksOfConfig(config, null)) : localRanks;
    const own = { worldSize, localRanks: worldSize === null ? null : localRanks };
    // What the state alone exceeds is not compiled: it may be very large.
    if (config.model.family !== 'custom') {
      const parameters = parameterCountOf(config.model, config.model.vocab ?? vocab);
      if (floorBytes(parameters, config.precision, shapeOf(config, own)) > limit) return false;
    }
    const model = config.model.family === 'custom' ? built : modelOf(config.model, vocab);
    if (model === null) return false;
    return (
      forecastBytes({ config, model, target, localRanks: ranks, plan: choosePlan(config, model, worldSize) }) <= limit
    );
  } catch {
    return false;
  }
}

function microbatches({ config }: FittingRequest): readonly Change[] {
  const { batch } = config;
  const smaller = divisorsOf(batch.sequences).filter((size) => size < batch.microbatch);
  // Halves and quarters say as much as every divisor, in fewer compilations.
  return smaller
    .toReversed()
    .filter((_, i) => i < 2 || i === smaller.length - 1)
    .map((microbatch) => ({
      text: `batch.microbatch=${microbatch}`,
      config: { ...config, batch: { ...batch, microbatch } },
    }));
}

function sequences({ config }: FittingRequest): readonly Change[] {
  const { batch } = config;
  const microbatches = batch.sequences / batch.microbatch;
  const fewer = [...new Set([Math.floor(microbatches / 2), Math.floor(microbatches / 4), 1])];
  return fewer
    .filter((count) => count >= 1 && count < microbatches)
    .map((count) => ({
      text: `batch.sequences=${count * batch.microbatch}`,
      config: { ...config, batch: { ...batch, sequences: count * batch.microbatch } },
    }));
}

function zeroStage({ config, localRanks }: FittingRequest): readonly Change[] {
  const { plan } = config;
  if (typeof plan === 'string' || localRanks === 1) return [];
  return zeroStages
    .filter((stage) => stage > plan.zero_stage)
    .map((stage) => ({
      text: `plan.zero_stage=${stage}`,
      config: { ...config, plan: { ...plan, zero_stage: stage } },
    }));
}

/** As many as should fit, were each to take what it takes now; half of them; one. */
function fewerRanks(
  { config, worldSize, localRanks }: FittingRequest,
  limit: number,
  bytes: number,
): readonly Change[] {
  const { plan } = config;
  if (worldSize !== null) return [];
  const each = Math.max(runtimeBytes, bytes / localRanks);
  const most = Math.min(localRanks - 1, Math.floor(limit / each));
  const some = [...new Set([most, Math.floor(most / 2), 1])].filter((count) => count >= 1 && count < localRanks);
  if (plan === 'auto') return some.map((ranks) => ({ text: `ranks=${ranks}`, config: { ...config, ranks } }));
  if (typeof plan === 'string' || config.ranks !== null) return [];
  const together = ranksTogether(sharedSizesOf(plan));
  return [...new Set(some.map((ranks) => Math.floor(ranks / together)))]
    .filter((replicas) => replicas >= 1)
    .map((replicas) => ({
      text: `plan.data_parallel_size=${replicas}`,
      config: { ...config, plan: { ...plan, data_parallel_size: replicas } },
    }));
}

/** Each of the others beside the smallest microbatch. */
function both(request: FittingRequest, limit: number, bytes: number): readonly Change[] {
  const { batch } = request.config;
  if (batch.microbatch === 1) return [];
  return [...zeroStage(request), ...fewerRanks(request, limit, bytes)].map(({ text, config }) => ({
    text: `${text} --set batch.microbatch=1`,
    config: { ...config, batch: { ...batch, microbatch: 1 } },
  }));
}

/**
 * A value of `least` … `most` that fits, near the largest of them, where less takes less; null where not even the least does. `fits` is asked
 * a few times.
 */
export function largestOf(least: number, most: number, fits: (value: number) => boolean): number | null {
  if (most < least) return null;
  if (fits(most)) return most;
  if (most === least || !fits(least)) return null;
  let [low, high] = [least, most];
  for (let tries = 2; tries < mostTries && high - low > 1; tries++) {
    // What is far too large is so by powers.
    const middle = high > 16 * low ? Math.round(Math.sqrt(low * high)) : Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
