/** The plan of a run: from sizes, from a file, or chosen. */
import { configUnreadable } from '../config/diagnostics.js';
import { readText } from '../data/read_text.js';
import { describeModel } from '../plan/describe_model.js';
import { checkPlan } from '../plan/check_plan.js';
import { planContradictsConfig, planForAnotherModel, planNotReproducible } from '../plan/diagnostics.js';
import { gradientDtypeOf, requireGradientDtype } from '../plan/gradient_dtype.js';
import { parsePlan } from '../plan/parse_plan.js';
import { ranksTogether, sharedSizesOf } from '../plan/nearest_sizes.js';
import { planOfSizes, type ParallelSizes } from '../plan/parallel_sizes.js';
import { ranksOf, sequencesOf, zeroStages, type Plan } from '../plan/plan.js';
import { readScheduleFile, type ScheduleFile } from '../schedule/file.js';
import type { LanguageModel } from '../nn/language_model.js';
import { usualRanks } from './device.js';
import { worldSizeDiffers } from './diagnostics.js';
import type { TrainConfig } from '../config/schema.js';

/**
 * The plan that a configuration asks for. `worldSize`: how many ranks an outer launcher has started; null where that is ours to choose.
 * 'auto' is data parallelism over all ranks. Throws `plan/…` and `train/world-size-differs`.
 */
export function choosePlan(config: TrainConfig, model: LanguageModel, worldSize: number | null): Plan {
  const file = planFileOf(config);
  if (file !== null) return planForConfig(readPlan(file), file, config, model, worldSize ?? config.ranks);
  return planOfSizes(
    sizesOf(config),
    ranksOfConfig(config, worldSize),
    describeModel(model),
    config.batch,
    precisionOf(config),
    { ranksAreGiven: worldSize !== null || config.ranks !== null, reproducible: config.reproducible },
  );
}

/** How many ranks a configuration asks for, known before there is a model. Throws `plan/…` where a plan file is none. */
export function ranksOfConfig(config: TrainConfig, worldSize: number | null): number {
  const given = worldSize ?? config.ranks;
  if (given !== null) return given;
  const file = planFileOf(config);
  if (file !== null) return ranksOf(readPlan(file));
  const sizes = sizesOf(config);
  const together = ranksTogether(sharedSizesOf(sizes));
  return together * (sizes.data_parallel_size ?? Math.max(1, Math.floor(usualRanks(config) / together)));
}

/** Throws `plan/contradiction` where gradients are to be in a type that neither ops nor parameters have. */
export function precisionOf({
  precision: compute,
  grad_dtype: gradients,
  reduce_dtype: reduce,
}: TrainConfig): Plan['precision'] {
  const precision = {
    compute,
    master: compute === 'f64' ? 'f64' : 'f32',
    ...(gradients && { gradients }),
    ...(reduce && { reduce }),
  } as const;
  requireGradientDtype(precision, { file: 'the configuration', field: 'grad_dtype' });
  return precision;
}

const planFileOf = ({ plan }: TrainConfig): string | null =>
  typeof plan === 'string' && plan !== 'auto' ? plan : null;

/** The sizes that a configuration gives; none where it gives none. */
function sizesOf({ plan }: TrainConfig): ParallelSizes {
  if (typeof plan === 'string') return {};
  const sizes = plan;
  return {
    ...(sizes.data_parallel_size !== null && { data_parallel_size: sizes.data_parallel_size }),
    tensor_parallel_size: sizes.tensor_parallel_size,
    context_parallel_size: sizes.context_parallel_size,
    ...(sizes.context_parallel_method !== null && { context_parallel_method: sizes.context_parallel_method }),
    ...(sizes.context_parallel_load_balancer !== null && {
      context_parallel_load_balancer: sizes.context_parallel_load_balancer,
    }),
    sequence_parallel: sizes.sequence_parallel,
    expert_parallel_size: sizes.expert_parallel_size,
    ...(sizes.expert_tensor_parallel_size !== null && {
      expert_tensor_parallel_size: sizes.expert_tensor_parallel_size,
    }),
    pipeline_parallel_size: sizes.pipeline_parallel_size,
    ...(sizes.pipeline_schedule !== null && { pipeline_schedule: sizes.pipeline_schedule }),
    ...(sizes.pipeline_schedule_file !== null && { schedule_file: readSchedule(sizes.pipeline_schedule_file) }),
    ...(sizes.virtual_stages !== null && { virtual_stages: sizes.virtual_stages }),
    ...(sizes.stage_layers !== null && { stage_layers: sizes.stage_layers }),
    zero_stage: zeroStages[sizes.zero_stage],
    ...(sizes.shard_size !== null && { shard_size: sizes.shard_size }),
    ...(sizes.reshard_after_forward !== null && { reshard_after_forward: sizes.reshard_after_forward }),
    ...(sizes.prefetch !== null && { prefetch: sizes.prefetch }),
    ...(sizes.persistence_threshold !== null && { persistence_threshold: sizes.persistence_threshold }),
    ...(sizes.reduce_gradients !== null && { reduce_gradients: sizes.reduce_gradients }),
    ...(sizes.bucket_bytes !== null && { bucket_bytes: sizes.bucket_bytes }),
    activation_checkpoint: sizes.activation_checkpoint,
  };
}

/** Throws `config/unreadable` or `plan/…`. */
export function readPlan(file: string): Plan {
  const fix = "give 'auto', the path of a plan file, or sizes such as { data_parallel_size: 2 }";
  return parsePlan(textOf(file, 'plan', fix), file);
}

/** Throws `config/unreadable` or `schedule/…`. */
function readSchedule(file: string): ScheduleFile {
  return readScheduleFile(
    textOf(file, 'schedule file', 'give the path of a schedule file, or pipeline_schedule'),
    file,
  );
}

function textOf(file: string, kind: 'plan' | 'schedule file', fix: string): string {
  try {
    return readText(file);
  } catch (error) {
    throw configUnreadable({ file, kind, problem: (error as Error).message, fix });
  }
}

/**
 * A plan that was read, held against the model and the configuration that it is to run. Throws `plan/…` and
 * `train/world-size-differs`.
 */
export function planForConfig(
  plan: Plan,
  file: string,
  config: TrainConfig,
  model: LanguageModel,
  worldSize: number | null,
): Plan {
  const described = describeModel(model);
  const { name, hash } = described;
  if (plan.model.hash !== hash || plan.model.name !== name) {
    throw planForAnotherModel({
      file,
      planned: `${plan.model.name} ${plan.model.hash}`,
      model: `${name} ${hash}`,
    });
  }
  checkPlan(plan, described, file);
  const { batch, precision, grad_dtype, reduce_dtype, reproducible } = config;
  const differs = (field: string, planned: number | string, option: string, given: number | string) => {
    if (planned !== given) throw planContradictsConfig({ file, field, planned, option, given });
  };
  differs('batch.sequences', plan.batch.sequences, 'batch.microbatch', batch.microbatch);
  differs('schedule.microbatches', sequencesOf(plan), 'batch.sequences', batch.sequences);
  differs('precision.compute', plan.precision.compute, 'precision', precision);
  if (grad_dtype !== null) differs('precision.gradients', gradientDtypeOf(plan.precision), 'grad_dtype', grad_dtype);
  if (reduce_dtype !== null) differs('precision.reduce', plan.precision.reduce ?? 'null', 'reduce_dtype', reduce_dtype);
  if (reproducible && !plan.reproducible) throw planNotReproducible({ file });
  if (worldSize !== null && ranksOf(plan) !== worldSize) {
    throw worldSizeDiffers({ world: worldSize, plan: ranksOf(plan), where: file });
  }
  return plan;
}
