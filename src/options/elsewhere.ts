/**
 * Options of other frameworks whose last word alone would not find ours, or would find another quantity. Names that do are in `also` of the
 * option itself.
 *
 * Sources: torchtitan's `torchtitan/config/job_config.py`, DeepSpeed's `docs/_pages/config-json.md`, Megatron-LM's
 * `megatron/training/arguments.py`, Hugging Face's `TrainingArguments`.
 */
import { underscored } from './names.js';

/** Ours for the same quantity, with how its value differs; or what there is in place of one. */
export type Elsewhere = { readonly option: string; readonly note?: string } | { readonly instead: string };

const offload = {
  instead: 'nothing is kept on the host: plan.zero_stage and plan.activation_checkpoint need less of the device',
};
const overlap = { instead: 'every collective starts as soon as its operand is there: leave it out' };
const accumulation = {
  instead: 'it follows from others: batch.sequences over batch.microbatch and the data-parallel ranks',
};
const recomputed = {
  instead: 'plan.activation_checkpoint is for all layers; the scopes of a plan file name single ones',
};
const floating = { option: 'precision', note: 'It is bf16, f32 or f64, and never f16' };

const torchtitan: Readonly<Record<string, Elsewhere>> = {
  'activation_checkpoint.mode': { option: 'plan.activation_checkpoint' },
  'checkpoint.enable': { instead: 'a run always saves: at its end, and every checkpoint.every_steps steps' },
  'checkpoint.enable_checkpoint': { instead: 'a run always saves: at its end, and every checkpoint.every_steps steps' },
  'checkpoint.export_dtype': { instead: 'parameters are saved in the type that they are kept in: leave it out' },
  'checkpoint.folder': { option: 'checkpoint.directory' },
  'checkpoint.load_step': { instead: '`flotilla resume RUN --checkpoint STEP` goes on from a step' },
  'debug.seed': { option: 'seed' },
  'lr_scheduler.decay_ratio': {
    instead: 'the decay begins behind the warm-up, and ends with the run or at optimizer.decay_steps',
  },
  'lr_scheduler.total_steps': { option: 'optimizer.decay_steps' },
  'model.flavor': { instead: 'sizes are given one by one: model.layers, model.dim, model.heads' },
  'parallelism.context_parallel_degree': { option: 'plan.context_parallel_size' },
  'parallelism.data_parallel_replicate_degree': {
    option: 'plan.data_parallel_size',
    note: 'It is the product of the two degrees, of replicas and of shards',
  },
  'parallelism.data_parallel_shard_degree': {
    option: 'plan.shard_size',
    note: 'It goes with plan.zero_stage 3, and is left out where nothing is replicated',
  },
  'parallelism.expert_parallel_degree': { option: 'plan.expert_parallel_size' },
  'parallelism.module_fqns_per_model_part': { option: 'plan.stage_layers' },
  'parallelism.pipeline_parallel_layers_per_stage': { option: 'plan.stage_layers' },
  'parallelism.pipeline_parallel_microbatch_size': { option: 'batch.microbatch' },
  'training.enable_cpu_offload': offload,
  'training.local_batch_size': { option: 'batch.microbatch' },
  'training.seed': { option: 'seed' },
  'validation.freq': { option: 'evaluation.every_steps' },
  'validation.local_batch_size': { instead: 'batches of validation are those of training: batch.sequences' },
  'validation.steps': { option: 'evaluation.batches' },
};

const deepSpeed: Readonly<Record<string, Elsewhere>> = {
  'bf16.enabled': floating,
  'fp16.enabled': floating,
  gradient_accumulation_steps: accumulation,
  'optimizer.params.eps': { option: 'optimizer.eps' },
  'pipeline.stages': { option: 'plan.pipeline_parallel_size' },
  'scheduler.params.warmup_max_lr': { option: 'optimizer.lr' },
  'scheduler.type': { option: 'optimizer.schedule' },
  steps_per_print: { option: 'logging.every_steps' },
  'tensor_parallel.autotp_size': { option: 'plan.tensor_parallel_size' },
  'zero_optimization.contiguous_gradients': overlap,
  'zero_optimization.offload_optimizer': offload,
  'zero_optimization.offload_param': offload,
  'zero_optimization.overlap_comm': overlap,
  'zero_optimization.stage': { option: 'plan.zero_stage' },
  'zero_optimization.stage3_prefetch_bucket_size': { option: 'plan.prefetch', note: 'It is a number of layers' },
};

const megatron: Readonly<Record<string, Elsewhere>> = {
  data_parallel_sharding_strategy: { option: 'plan.zero_stage' },
  grad_reduce_in_bf16: { option: 'reduce_dtype' },
  lr_warmup_fraction: { option: 'optimizer.warmup_steps', note: 'It is in steps' },
  overlap_grad_reduce: overlap,
  overlap_param_gather: overlap,
  rampup_batch_size: { instead: 'every step is of batch.sequences: leave it out' },
  recompute_method: recomputed,
  recompute_num_layers: recomputed,
  train_samples: { option: 'steps', note: 'It is samples over batch.sequences' },
  untie_embeddings_and_output_weights: { option: 'model.tied', note: 'It says the opposite' },
};

const huggingFace: Readonly<Record<string, Elsewhere>> = {
  per_device_train_batch_size: { option: 'batch.microbatch' },
};

/** By whole name, as it is written there. */
export const optionsElsewhere: Readonly<Record<string, Elsewhere>> = {
  ...torchtitan,
  ...deepSpeed,
  ...megatron,
  ...huggingFace,
};

/**
 * What is known of a path; null where nothing is. Groups may stand before an entry, and what lies in an entry that has no option here has
 * none either.
 */
export function elsewhere(path: string): Elsewhere | null {
  const names = underscored(path).split('.');
  for (let length = names.length; length > 0; length--) {
    const ends = names.slice(0, length).map((_, i) => names.slice(i, length).join('.'));
    const known = ends.map((end) => ofOwn(optionsElsewhere, end)).find((one) => one !== undefined);
    if (known && (length === names.length || 'instead' in known)) return known;
  }
  return null;
}

/** What is known of the last name of an entry, written without its group: of one that says enough by itself. */
export function elsewhereWithoutGroup(name: string): Elsewhere | null {
  const last = underscored(name);
  if (!last.includes('_')) return null;
  const entry = Object.keys(optionsElsewhere).find((one) => one.endsWith(`.${last}`));
  return entry === undefined ? null : optionsElsewhere[entry];
}

/** Whether a group is one of theirs, so that what lies in it says more than its name. */
export const isGroupElsewhere = (path: string): boolean =>
  Object.keys(optionsElsewhere).some((name) => name.startsWith(`${underscored(path)}.`)) ||
  otherGroups.includes(underscored(path));

/** Those whose options are all found by their last words. */
const otherGroups: readonly string[] = ['lr_scheduler', 'metrics', 'optimizer.params', 'data_types', 'job'];

const ofOwn = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
