/** Plans from the sizes that users of Megatron-LM and DeepSpeed know: `{ data_parallel_size: 2, tensor_parallel_size: 2 }`. */
import type { FactorName } from '../ir/type.js';
import { scheduleOf, type ScheduleFile } from '../schedule/file.js';
import { defaultVirtualStages, scheduleKind } from '../schedule/kinds.js';
import { groupOfChunk } from '../schedule/placement.js';
import {
  batchDoesNotDivide,
  gatherWithoutStage3,
  nothingForTensorRanks,
  shardSizeDoesNotDivide,
  shardsOfOneRank,
  shardsWithoutZero,
  tooManyStages,
  tooManyTensorRanks,
  worldSizeMismatch,
} from './diagnostics.js';
import { checkScheduleOf, requireGroups } from './check_schedule.js';
import { chunksOf } from './model_chunks.js';
import { nearestSizes, nearestText } from './nearest_sizes.js';
import { requireGradientReduction, requireReduceDtype } from './reduce_dtype.js';
import {
  groupName,
  planVersion,
  stage3Fields,
  type Plan,
  type PlanGroup,
  type GradientReduction,
  type ZeroStage,
} from './plan.js';
import { rowsOf, writtenSchedule } from './plan_schedule.js';
import { moreMicrobatches, shareBatch, type PlannedBatch } from './share_batch.js';

export interface ParallelSizes {
  readonly data_parallel_size?: number;
  readonly tensor_parallel_size?: number;
  readonly pipeline_parallel_size?: number;
  /** One that can be generated. Default: `1f1b`, with several virtual stages `interleaved`. */
  readonly pipeline_schedule?: string;
  /** A schedule of one's own instead. */
  readonly schedule_file?: ScheduleFile;
  /** Chunks of the model on each group of a pipeline. Default: as the schedule has them. */
  readonly virtual_stages?: number;
  /** Layers of each chunk. Default: as even as can be. */
  readonly stage_layers?: readonly number[];
  /** DeepSpeed's stage: what is split over the data-parallel ranks. */
  readonly zero_stage?: ZeroStage;
  /**
   * Data-parallel ranks among which ZeRO splits; what they have together is replicated over the others: FSDP's hybrid sharding. Default: all
   * of them.
   */
  readonly shard_size?: number;
  /** See {@link ZeroPlan}. Default: true, without a pipeline. */
  readonly reshard_after_forward?: boolean;
  /** See {@link ZeroPlan}. */
  readonly prefetch?: number;
  /** See {@link ZeroPlan}. */
  readonly persistence_threshold?: number;
  /** See {@link ZeroPlan}. */
  readonly reduce_gradients?: GradientReduction;
  /** See {@link ZeroPlan}. */
  readonly bucket_bytes?: number;
  /** Default: none. */
  readonly activation_checkpoint?: ActivationCheckpoint;
}

/** torchtitan's modes: which residuals of numbered segments the backward makes again. */
export const activationCheckpoints = ['none', 'selective', 'full'] as const;
export type ActivationCheckpoint = (typeof activationCheckpoints)[number];

/** What a plan needs to know of the model. */
export interface PlannedModel {
  readonly name: string;
  readonly hash: string;
  readonly segments: readonly string[];
  /** Sizes of factors that tensor parallelism splits: `heads`, `hidden`, `vocab`, … */
  readonly factors: Readonly<Record<FactorName, number>>;
  /** Sizes of every factor that parameters or sequences have: one each, unless a model uses a name for two things. */
  readonly sizes: Readonly<Record<FactorName, readonly number[]>>;
  /** The factors of each parameter, in its type's order. */
  readonly parameters: readonly (readonly FactorName[])[];
}

/** Factors that tensor parallelism splits, the first of them that a parameter has (Shoeybi et al. 2019, §3). */
export const tensorFactors: readonly FactorName[] = ['heads', 'kv_group', 'hidden', 'vocab', 'experts'];

/**
 * The plan of these sizes on `ranks` ranks. The data-parallel size is what the others leave where it is absent. Throws where the
 * sizes do not multiply to the ranks, or ask for more tensor ranks than there are heads or more stages than segments. `ranksAreGiven`: false
 * where as many can be started as the sizes need.
 */
export function planOfSizes(
  sizes: ParallelSizes,
  ranks: number,
  model: PlannedModel,
  batch: PlannedBatch,
  precision: Plan['precision'],
  { ranksAreGiven = true }: { readonly ranksAreGiven?: boolean } = {},
): Plan {
  const tensor = sizes.tensor_parallel_size ?? 1;
  const pipeline = sizes.pipeline_parallel_size ?? 1;
  const data = sizes.data_parallel_size ?? Math.max(1, Math.floor(ranks / (tensor * pipeline)));
  const { kind, placement, virtualStages } = scheduleOfSizes(sizes, pipeline);
  const most = { tensor: mostTensorRanks(model), pipeline: Math.floor(model.segments.length / virtualStages) };
  const asked = { data: sizes.data_parallel_size ?? null, tensor, pipeline };
  const near = nearestSizes(asked, most, { ranks, ranksAreGiven });
  // One group has no schedule of several chunks.
  const alone = pipeline > 1 && near.pipeline === 1 && virtualStages > 1 && !sizes.schedule_file;
  const nearest = nearestText(asked, near) + (alone ? ', without pipeline_schedule and virtual_stages' : '');
  if (data * tensor * pipeline !== ranks) {
    const isLegal = tensor <= most.tensor.size && pipeline <= most.pipeline;
    throw worldSizeMismatch({ data, tensor, pipeline, ranks, nearest, isLegal });
  }
  if (tensor > most.tensor.size) {
    if (most.tensor.factor === null) throw nothingForTensorRanks({ tensor, data, model: model.name });
    throw tooManyTensorRanks({ tensor, ...most.tensor, factor: most.tensor.factor, nearest });
  }
  if (pipeline === 1 && !sizes.schedule_file) {
    const [field, told] =
      (sizes.virtual_stages ?? 1) > 1 ? ['plan.virtual_stages', 'virtual_stages'] : ['plan.pipeline_schedule', 'it'];
    const both = sizes.pipeline_schedule !== undefined && told !== 'it' ? `${told} and pipeline_schedule` : told;
    const fix = `remove ${both}, or set pipeline_parallel_size to 2 or more`;
    requireGroups(kind, virtualStages, { file: 'the configuration', field, fix });
  }
  if (pipeline > most.pipeline) {
    throw tooManyStages({
      pipeline,
      virtualStages,
      segments: model.segments.length,
      nearest: fewerVirtualStages(sizes, kind, Math.floor(model.segments.length / pipeline)) ?? nearest,
    });
  }
  if (batch.sequences % batch.microbatch !== 0) throw batchDoesNotDivide(batch);
  const { split, scheduled, together } = shareBatch(batch, data, pipeline);
  const dataAxes = dataAxesOf(sizes, data);
  const mesh = { ...dataAxes, tensor };
  const plan: Plan = {
    flotilla_plan: planVersion,
    model: { name: model.name, hash: model.hash },
    groups: Object.fromEntries(Array.from({ length: pipeline }, (_, i) => [groupName(i), { mesh }])),
    chunks: chunksOf(model.segments, pipeline * virtualStages, sizes.stage_layers).map((segments, chunk) => ({
      segments,
      on: groupName(placement(chunk)),
    })),
    schedule: { kind, microbatches: scheduled, table: sizes.schedule_file ? rowsOf(sizes.schedule_file.table) : null },
    batch: {
      logical_microbatches: together,
      sequences: batch.microbatch,
      padding: scheduled * together - batch.sequences / batch.microbatch,
    },
    split: {
      [split]: Object.keys(dataAxes),
      ...Object.fromEntries(tensorFactors.filter((f) => f in model.factors).map((f) => [f, ['tensor']])),
    },
    bounds: {},
    scopes: scopesOf(sizes.activation_checkpoint, model.segments),
    zero: zeroOf(sizes, dataAxes, pipeline),
    precision,
    predicted: null,
  };
  const microbatches = (least: number) => ({
    fields: ['batch.sequences', 'batch.microbatch', 'plan.pipeline_schedule'],
    fix: moreMicrobatches(batch, { data, pipeline, virtualStages }, least),
  });
  checkScheduleOf(plan, 'config', { chunks: 'plan.virtual_stages', microbatches }, sizes.schedule_file);
  requireReduceDtype(plan, { file: 'the configuration', field: 'reduce_dtype' });
  requireGradientReduction(plan, { file: 'the configuration', field: 'plan.reduce_gradients' });
  return plan;
}

interface ScheduleOfSizes {
  readonly kind: string;
  readonly virtualStages: number;
  /** The group of a chunk. */
  placement(chunk: number): number;
}

function scheduleOfSizes(sizes: ParallelSizes, pipeline: number): ScheduleOfSizes {
  const { schedule_file: file, virtual_stages } = sizes;
  if (file) {
    const of = scheduleOf(file.table);
    return {
      kind: writtenSchedule,
      virtualStages: virtual_stages ?? Math.max(1, Math.round(of.chunks / pipeline)),
      placement: (chunk) => of.groupOf(chunk) ?? chunk % pipeline,
    };
  }
  const kind = sizes.pipeline_schedule ?? ((virtual_stages ?? 1) > 1 ? 'interleaved' : '1f1b');
  const schedule = scheduleKind(kind);
  return {
    kind,
    virtualStages: virtual_stages ?? defaultVirtualStages(schedule),
    placement: (chunk) => groupOfChunk(schedule.placement, pipeline, chunk),
  };
}

/** As many virtual stages as the model has segments for, on all groups; null where the schedule takes no other number, or they are too few. */
function fewerVirtualStages({ virtual_stages }: ParallelSizes, kind: string, most: number): string | null {
  if (virtual_stages === undefined || kind === writtenSchedule) return null;
  const takes = scheduleKind(kind).virtualStages;
  return 'least' in takes && most >= takes.least ? `virtual_stages ${most}` : null;
}

/** Of a model that is one segment, all of it. */
function scopesOf(mode: ActivationCheckpoint = 'none', segments: readonly string[]): Plan['scopes'] {
  if (mode === 'none') return [];
  const numbered = new Set(segments.filter((name) => /\.\d+$/.test(name)).map((name) => name.replace(/\d+$/, '*')));
  const ops = mode === 'full' ? 'all' : 'cheap';
  return [...(numbered.size > 0 ? numbered : ['*'])].map((of) => ({ of, made: 'again', keep: 'backward', ops }));
}

/**
 * The axes of the data ranks, the last of them ZeRO's. Shards lie on neighbouring ranks: they exchange more than their replicas do. Throws
 * where the sizes do not multiply, or nothing is split.
 */
function dataAxesOf({ shard_size: shard, zero_stage: stage = 0 }: ParallelSizes, data: number): PlanGroup['mesh'] {
  if (shard === undefined) return { data };
  if (stage === 0) throw shardsWithoutZero({ shard });
  if (shard === 1) throw shardsOfOneRank({ data });
  if (data % shard !== 0) throw shardSizeDoesNotDivide({ shard, data });
  return shard === data ? { data } : { 'data.replica': data / shard, 'data.shard': shard };
}

/**
 * Over the last of the data axes. Of one data rank there is nothing to split: then the plan says so, whatever the stage, since one
 * configuration is run on many ranks and on one. Throws where how parameters are gathered is said of a stage that gathers none.
 */
function zeroOf(sizes: ParallelSizes, dataAxes: PlanGroup['mesh'], pipeline: number): Plan['zero'] {
  const [axis, ranks] = Object.entries(dataAxes).at(-1)!;
  const { zero_stage: asked = 0, reshard_after_forward, prefetch, persistence_threshold } = sizes;
  const { reduce_gradients, bucket_bytes } = sizes;
  const field = stage3Fields.find((name) => sizes[name] !== undefined);
  if (field !== undefined && asked !== 3) {
    throw gatherWithoutStage3({ file: 'the configuration', field: `plan.${field}`, stage: asked });
  }
  const stage = ranks === 1 ? 0 : asked;
  const zero = {
    stage,
    axis,
    ...(reduce_gradients && { reduce_gradients }),
    ...(bucket_bytes !== undefined && { bucket_bytes }),
  };
  // A pipeline would gather them for every microbatch under way.
  if (stage === 3) {
    return {
      ...zero,
      reshard_after_forward: reshard_after_forward ?? pipeline === 1,
      prefetch: prefetch ?? 1,
      ...(persistence_threshold !== undefined && { persistence_threshold }),
    };
  }
  return zero;
}

/** A rank must have a part of each factor that is split, so the smallest says how many there can be; without any, one. */
function mostTensorRanks({ factors }: PlannedModel): { readonly factor: FactorName | null; readonly size: number } {
  const known = tensorFactors.filter((factor) => factor in factors);
  if (known.length === 0) return { factor: null, size: 1 };
  const factor = known.reduce((a, b) => (factors[b] < factors[a] ? b : a));
  return { factor, size: factors[factor] };
}
