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
import { fittingChange, fittingLayers } from './fitting_change.js';
import { ceilingBytes, floorBytes, forecastBytes, type ParallelShape } from './forecast.js';
import type { HostMemory } from './host_memory.js';
import { modelSize, parametersOfSize } from './model_size.js';

/** Ranks of a job, in all (null: as many as the configuration says) and on this machine (null: all of them). */
export interface JobRanks {
  readonly worldSize: number | null;
  readonly localRanks: number | null;
}

/** Throws `train/memory-exceeded` where the state alone is more than the machine has. Takes milliseconds, whatever the sizes. */
export function requireStateFits(config: TrainConfig, job: JobRanks, { physicalBytes }: HostMemory): void {
  if (config.overcommit || onGpu(config)) return;
  const size = modelSize(config.model, config.model.vocab ?? config.data.tokenizer.vocab);
  if (size === null || config.model.family === 'custom') return;
  const shape = shapeOf(config, job);
  const { layers } = config.model;
  const parameters = parametersOfSize(size, layers);
  const bytes = floorBytes(parameters, config.precision, shape);
  if (bytes <= physicalBytes) return;
  const fitting = fittingLayers(size, config.precision, shape, physicalBytes);
  throw memoryExceeded({
    bytes,
    atLeast: true,
    physicalBytes,
    ranks: shape.localRanks,
    parameters,
    change:
      fitting !== null && fitting < layers
        ? `--set model.layers=${fitting}, or less: activations come on top`
        : 'a smaller model.vocab or model.dim, or more machines with tensor_parallel_size and pipeline_parallel_size',
  });
}

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
