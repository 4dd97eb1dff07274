/**
 * Whether a job fits into this machine's memory, said before it starts: by the state alone before the model is built, and to the byte
 * once there is a plan.
 */
import type { TrainConfig } from '../../config/schema.js';
import { bytesText, countText } from '../../ir/units.js';
import type { LanguageModel } from '../../nn/language_model.js';
import type { Plan } from '../../plan/plan.js';
import { targetOf } from '../device.js';
import { memoryExceeded } from '../diagnostics.js';
import type { TrainEvents } from '../events.js';
import { fittingChange, fittingModel, type Change } from './fitting_change.js';
import { ceilingBytes, floorBytes, forecastBytes, runtimeBytes } from './forecast.js';
import type { HostMemory } from './host_memory.js';
import { shapeOf, type JobRanks } from './job_shape.js';
import { parameterCountOf } from './model_size.js';

/**
 * Throws `train/memory-exceeded` where the state alone is more than the machine has. Takes milliseconds, whatever the sizes, unless it throws.
 */
export function requireStateFits(config: TrainConfig, job: JobRanks, { physicalBytes }: HostMemory): void {
  const { model } = config;
  if (config.overcommit || onGpu(config) || model.family === 'custom') return;
  const shape = shapeOf(config, job);
  const vocab = model.vocab ?? config.data.tokenizer.vocab;
  const parameters = parameterCountOf(model, vocab);
  const bytes = floorBytes(parameters, config.precision, shape);
  if (bytes <= physicalBytes) return;
  const request = { ...fittingRequest(config, job), model: null, vocab };
  const change = fittingChange(request, physicalBytes, bytes) ?? fittingModel(request, physicalBytes);
  throw memoryExceeded({
    bytes,
    atLeast: true,
    physicalBytes,
    ranks: shape.localRanks,
    runtimeBytes,
    holds: `weights and optimizer state of ${countText(parameters)} parameters`,
    change: changeText(change, job),
  });
}

/** What a refusal offers. */
function changeText(change: Change | null, { worldSize }: JobRanks): string {
  if (change !== null) return `a change that fits is --set ${change.text}`;
  return `no one change of batch, ranks or model that was tried fits: take several${worldSize === null ? '' : ', or start fewer ranks on this machine'}`;
}

function fittingRequest(config: TrainConfig, job: JobRanks) {
  const { localRanks } = shapeOf(config, job);
  return { config, target: targetOf(config), worldSize: job.worldSize, localRanks };
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
  if (ceilingBytes(model, plan, localRanks, config.data.documents) <= availableBytes) return;
  const bytes = forecastBytes({ config, model, plan, target: targetOf(config), localRanks });
  if (bytes > physicalBytes && !config.overcommit) {
    const request = { ...fittingRequest(config, job), model, vocab: model.options.vocab };
    const change = fittingChange(request, physicalBytes, bytes) ?? fittingModel(request, physicalBytes);
    throw memoryExceeded({
      bytes,
      atLeast: false,
      physicalBytes,
      ranks: localRanks,
      runtimeBytes,
      holds: 'their arenas, as compiled',
      change: changeText(change, job),
    });
  }
  if (bytes <= availableBytes) return;
  const message = `the ${localRanks === 1 ? 'rank needs' : `${localRanks} ranks here need`} ${bytesText(bytes)}, and ${bytesText(availableBytes)} of this machine's ${bytesText(physicalBytes)} are free`;
  events.emit({ kind: 'warning', code: 'train/memory-tight', message });
}

/** What a GPU has is known once it is opened. */
const onGpu = (config: TrainConfig): boolean => targetOf(config) === 'cuda';
