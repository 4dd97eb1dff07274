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
const oneAttention = { instead: 'attention is one fused op, whatever the device and the plan: leave it out' };
const splitLoss = { instead: 'where tensor ranks share the vocabulary the loss is taken so by itself: leave it out' };
const family = {
  instead: 'model.family says it: llama and mixtral have RMSNorm, SwiGLU and rotary positions, gpt has none',
};
const noSharedExperts = { instead: 'no model here has experts that all tokens go to: leave it out' };
const twoMethods = {
  option: 'plan.context_parallel_size',
  note: 'It is the product of the two degrees, by context_parallel_method ulysses+ring',
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
  'parallelism.disable_loss_parallel': splitLoss,
  'parallelism.enable_async_tensor_parallel': overlap,
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
  'zero_optimization.zero_hpz_partition_size': {
    option: 'plan.shard_size',
    note: 'It is for all that zero_stage divides, and not for parameters alone',
  },
  'zero_optimization.stage': { option: 'plan.zero_stage' },
  'zero_optimization.stage3_prefetch_bucket_size': { option: 'plan.prefetch', note: 'It is a number of layers' },
};

const megatron: Readonly<Record<string, Elsewhere>> = {
  attention_backend: oneAttention,
  cross_entropy_loss_fusion: splitLoss,
  data_parallel_sharding_strategy: { option: 'plan.zero_stage' },
  grad_reduce_in_bf16: { option: 'reduce_dtype' },
  group_query_attention: { instead: 'model.kv_heads alone says it: leave it out' },
  hierarchical_context_parallel_sizes: {
    instead: 'by context_parallel_method ulysses+ring as many neighbours as can exchange heads: leave it out',
  },
  lr_warmup_fraction: { option: 'optimizer.warmup_steps', note: 'It is in steps' },
  moe_ffn_hidden_size: { option: 'model.hidden', note: 'It is for each expert' },
  moe_grouped_gemm: { instead: 'the experts of a rank are one batched product: leave it out' },
  moe_pad_expert_input_to_capacity: { instead: 'buffers of experts are as model.capacity_factor says: leave it out' },
  moe_router_load_balancing_type: {
    instead: 'there is one, the auxiliary loss of Switch Transformers: model.balance is its weight',
  },
  moe_shared_expert_intermediate_size: noSharedExperts,
  moe_token_dispatcher_type: {
    instead:
      'by all-to-all wherever plan.expert_parallel_size is more than 1 (over ranks that share sequences, with model.token_groups): leave it out',
  },
  normalization: family,
  overlap_grad_reduce: overlap,
  overlap_param_gather: overlap,
  rampup_batch_size: { instead: 'every step is of batch.sequences: leave it out' },
  recompute_method: recomputed,
  recompute_num_layers: recomputed,
  softmax_type: { option: 'model.sinks', note: 'It is true for learnable, and false for vanilla' },
  swiglu: family,
  tp_comm_overlap: overlap,
  train_samples: { option: 'steps', note: 'It is samples over batch.sequences' },
  untie_embeddings_and_output_weights: { option: 'model.tied', note: 'It says the opposite' },
  use_flash_attn: oneAttention,
  use_rope_scaling: { option: 'model.rope_scaling.rope_type', note: 'It is llama3' },
  use_rotary_position_embeddings: family,
};

const huggingFace: Readonly<Record<string, Elsewhere>> = {
  attn_implementation: oneAttention,
  n_shared_experts: noSharedExperts,
  per_device_train_batch_size: { option: 'batch.microbatch' },
};

/** xDiT, yunchang (USP). */
const twoWays: Readonly<Record<string, Elsewhere>> = { ring_degree: twoMethods, ulysses_degree: twoMethods };

/** By whole name, as it is written there. */
export const optionsElsewhere: Readonly<Record<string, Elsewhere>> = {
  ...torchtitan,
  ...deepSpeed,
  ...megatron,
  ...huggingFace,
  ...twoWays,
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
