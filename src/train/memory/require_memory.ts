/**
 * Whether a job fits into this machine's memory, said before it starts: by the state alone before the model is built, and to the byte
 * once there is a plan.
 */
import type { TrainConfig } from '../../config/schema.js';
import { bytesText } from '../../ir/units.js';
import type { LanguageModel } from '../../nn/language_model.js';
import type { Plan } from '../../plan/plan.js';
import { targetOf } from '../device.js';
import { ranksOfConfig } from '../choose_plan.js';
import { memoryExceeded } from '../diagnostics.js';
import type { TrainEvents } from '../events.js';
import { fittingChange, largestFitting } from './fitting_change.js';
import { ceilingBytes, floorBytes, forecastBytes, type ParallelShape } from './forecast.js';
import type { HostMemory } from './host_memory.js';
import { parameterCountOf, type DescribedModel } from './model_size.js';

/** Ranks of a job, in all (null: as many as the configuration says) and on this machine (null: all of them). */
export interface JobRanks {
  readonly worldSize: number | null;
  readonly localRanks: number | null;
}

/** Throws `train/memory-exceeded` where the state alone is more than the machine has. Takes milliseconds, whatever the sizes. */
export function requireStateFits(config: TrainConfig, job: JobRanks, { physicalBytes }: HostMemory): void {
  const { model } = config;
  if (config.overcommit || onGpu(config) || model.family === 'custom') return;
  const shape = shapeOf(config, job);
  const parametersOf = (changed: DescribedModel) =>
    parameterCountOf(changed, changed.vocab ?? config.data.tokenizer.vocab);
  const bytesOf = (changed: DescribedModel) => floorBytes(parametersOf(changed), config.precision, shape);
  const bytes = bytesOf(model);
  if (bytes <= physicalBytes) return;
  const change = smallerModel(model, (changed) => bytesOf(changed) <= physicalBytes);
  throw memoryExceeded({
    bytes,
    atLeast: true,
    physicalBytes,
    ranks: shape.localRanks,
    parameters: parametersOf(model),
    change: change === null ? 'fewer ranks on this machine' : `--set ${change} or less, since activations come on top`,
  });
}

/** Fewer layers, or where one is too many a smaller vocabulary, or a smaller width; null where none of them will do. */
function smallerModel(model: DescribedModel, fits: (model: DescribedModel) => boolean): string | null {
  const layers = largestFitting((value) => fits({ ...model, layers: value }));
  if (layers !== null) return `model.layers=${layers}`;
  const vocab = model.vocab === null ? null : largestFitting((value) => fits({ ...model, vocab: value }));
  if (vocab !== null && vocab >= leastVocab) return `model.vocab=${vocab}`;
  const heads = largestFitting((value) => fits({ ...model, dim: value * model.heads }));
  return heads === null ? null : `model.dim=${heads * model.heads}`;
}

/** Of a byte-level tokenizer: every byte, and what separates documents. */
const leastVocab = 257;

export interface MemoryRequest extends JobRanks {
  readonly config: TrainConfig;
  readonly model: LanguageModel;
  readonly plan: Plan;
  readonly host: HostMemory;
  readonly events: TrainEvents;
}

/**
 * Throws `train/memory-exceeded` where the ranks of this machine need more than it has; warns where they need more than is free. Programs are
 * compiled for this only where a bound on them does not tell.
 */
export function requireMemory({ config, model, plan, host, events, ...job }: MemoryRequest): void {
  if (onGpu(config)) return;
  const { localRanks } = shapeOf(config, job);
  const { physicalBytes, availableBytes } = host;
  if (ceilingBytes(model, plan, localRanks) <= availableBytes) return;
  const request = { config, model, target: targetOf(config), localRanks };
  const bytes = forecastBytes({ ...request, plan });
  if (bytes > physicalBytes && !config.overcommit) {
    const change = fittingChange(request, physicalBytes);
    throw memoryExceeded({
      bytes,
      atLeast: false,
      physicalBytes,
      ranks: localRanks,
      parameters: null,
      change: change ? `--set ${change.text}` : 'a smaller model or context',
    });
  }
  if (bytes <= availableBytes) return;
  const message = `the ${localRanks === 1 ? 'rank needs' : `${localRanks} ranks here need`} ${bytesText(bytes)}, and ${bytesText(availableBytes)} of this machine's ${bytesText(physicalBytes)} are free`;
  events.emit({ kind: 'warning', code: 'train/memory-tight', message });
}

/** What a GPU has is known once it is opened. */
const onGpu = (config: TrainConfig): boolean => targetOf(config) === 'cuda';

function shapeOf(config: TrainConfig, { worldSize, localRanks }: JobRanks): ParallelShape {
  const ranks = ranksOfConfig(config, worldSize);
  const sizes = typeof config.plan === 'string' ? null : config.plan;
  const copy = sizes ? sizes.tensor_parallel_size * sizes.pipeline_parallel_size : config.plan === 'auto' ? 1 : ranks;
  return {
    data: Math.max(1, Math.floor(ranks / copy)),
    copy,
    zeroStage: sizes?.zero_stage === 1 ? 1 : 0,
    localRanks: localRanks ?? ranks,
  };
}
