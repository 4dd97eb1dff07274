/** Plans from the sizes that users of Megatron-LM and DeepSpeed know: `{ data_parallel_size: 2, tensor_parallel_size: 2 }`. */
import { scheduleOf, type ScheduleFile } from '../schedule/file.js';
import { defaultVirtualStages, scheduleKind } from '../schedule/kinds.js';
import { groupOfChunk } from '../schedule/placement.js';
import {
  batchDoesNotDivide,
  nothingForTensorRanks,
  tooManyStages,
  tooManyTensorRanks,
  worldSizeMismatch,
} from './size_diagnostics.js';
import { checkScheduleOf, requireGroups } from './check_schedule.js';
import { dataAxesOf, shardOf } from './data_sizes.js';
import { contextCuts, expertRanksOf, listedAround, sharersOf, withExperts } from './expert_sizes.js';
import { chunksOf } from './model_chunks.js';
import { nearDataSizes } from './near_data_sizes.js';
import { nearestSizes, nearestText, ranksTogether, sharedSizes, sharedSizesOf } from './nearest_sizes.js';
import { requireGradientReduction, requireReduceDtype } from './reduce_dtype.js';
import type { ContextMethod } from './context_methods.js';
import { groupName, planVersion, type Plan, type GradientReduction, type ZeroStage } from './plan.js';
import type { PlannedModel } from './planned_model.js';
import { requireReproducible } from './reproducible.js';
import { rowsOf, writtenSchedule } from './plan_schedule.js';
import { mostContextRanks, sequenceOf } from './sequence_sizes.js';
import { mostTensorRanks, ranksPerExpert, tensorAxesOf, tooSmallFor } from './tensor_sizes.js';
import { zeroOf } from './zero_sizes.js';
import { moreMicrobatches, shareBatch, type PlannedBatch } from './share_batch.js';

export interface ParallelSizes {
  readonly data_parallel_size?: number;
  readonly tensor_parallel_size?: number;
  /** Ranks that share each sequence. */
  readonly context_parallel_size?: number;
  /** How they attend to all of it: see {@link Plan}. Default: `allgather`. */
  readonly context_parallel_method?: ContextMethod;
  /** How tokens are dealt out to the ranks that share a sequence: see {@link Plan}. Default: `headtail`, where that has a meaning. */
  readonly context_parallel_load_balancer?: ContextBalancer;
  /** Whether tensor-parallel ranks share the sequence of what they do not split otherwise. Default: false. */
  readonly sequence_parallel?: boolean;
  /**
   * Neighbouring data-parallel ranks that have experts of their own, to which the tokens of all of them are sent; more than there are data
   * ranks: so many neighbouring context-parallel ranks besides. Default: 1.
   */
  readonly expert_parallel_size?: number;
  /**
   * Ranks that share each expert: tensor-parallel ones, or all of these and neighbouring context-parallel ones. Default: with
   * expert_parallel_size all tensor-parallel ranks, else as few as there are experts for.
   */
  readonly expert_tensor_parallel_size?: number;
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

export interface PlanOptions {
  /** False where as many can be started as the sizes need. Default: true. */
  readonly ranksAreGiven?: boolean;
  /** See {@link Plan}. Default: false. */
  readonly reproducible?: boolean;
}

/** torch's names. */
export const contextBalancers = ['headtail', 'none'] as const;
export type ContextBalancer = (typeof contextBalancers)[number];

/** torchtitan's modes: which residuals of numbered segments the backward makes again. */
export const activationCheckpoints = ['none', 'selective', 'full'] as const;
export type ActivationCheckpoint = (typeof activationCheckpoints)[number];

/**
 * The plan of these sizes on `ranks` ranks. The data-parallel size is what the others leave where it is absent. Throws where the
 * sizes do not multiply to the ranks, or ask for more tensor ranks than there are heads or more stages than segments.
 */
export function planOfSizes(
  sizes: ParallelSizes,
  ranks: number,
  model: PlannedModel,
  batch: PlannedBatch,
  precision: Plan['precision'],
  { ranksAreGiven = true, reproducible = false }: PlanOptions = {},
): Plan {
  const shared = sharedSizesOf(sizes);
  const { tensor, pipeline } = shared;
  const data = sizes.data_parallel_size ?? Math.max(1, Math.floor(ranks / ranksTogether(shared)));
  const { kind, placement, virtualStages } = scheduleOfSizes(sizes, pipeline);
  const sharesExperts = sizes.expert_tensor_parallel_size !== undefined;
  const mostTensor = mostTensorRanks(tensor, model, sharesExperts);
  const most = {
    tensor: mostTensor,
    context: mostContextRanks(sizes, tensorAxesOf(Math.min(tensor, mostTensor), model), model),
    pipeline: Math.floor(model.segments.length / virtualStages),
  };
  const asked = { data: sizes.data_parallel_size ?? null, ...shared };
  const near = nearestSizes(shared, most, { ranks, ranksAreGiven });
  // One group has no schedule of several chunks.
  const alone = pipeline > 1 && near.pipeline === 1 && virtualStages > 1 && !sizes.schedule_file;
  const nearest = nearestText(asked, near) + (alone ? ', without pipeline_schedule and virtual_stages' : '');
  if (data * ranksTogether(shared) !== ranks) {
    const isLegal = sharedSizes.every((name) => shared[name] <= most[name]);
    throw worldSizeMismatch({ data, ...shared, ranks, nearest, isLegal });
  }
  if (tensor > most.tensor) {
    const small = tooSmallFor(tensor, model, sharesExperts);
    if (small === null) throw nothingForTensorRanks({ tensor, data, model: model.name });
    throw tooManyTensorRanks({ tensor, size: small.size, factor: small.name, nearest });
  }
  const perExpert = ranksPerExpert(sizes, tensor, model);
  const tensorAxes = tensorAxesOf(tensor, model, perExpert);
  const unshared = sequenceOf(sizes, shared, tensorAxes, model, nearest);
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
  const sharers = sharersOf(sizes, tensor, unshared, model);
  const nearData = nearDataSizes(
    sizes,
    data,
    model,
    { ranksAreGiven, together: ranksTogether(shared) },
    contextCuts(unshared, sharers),
  );
  const shard = shardOf(sizes, data, nearData);
  const expertRanks = expertRanksOf(sizes, data, { sequence: unshared, sharers }, nearData, model);
  const dataAxes = dataAxesOf(data, shard, expertRanks);
  const around = withExperts(unshared, expertRanks.context, sharers);
  const { sequence } = around;
  const listed = listedAround(around, dataAxes.experts, tensorAxes, perExpert, model);
  const mesh = { ...dataAxes.mesh, ...sequence.mesh, ...tensorAxes.mesh };
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
      [split]: Object.keys(dataAxes.mesh),
      ...listed.before,
      ...sequence.split,
      ...listed.behind,
    },
    ...(sequence.method && { context_method: sequence.method }),
    ...(sequence.order && { context_order: sequence.order }),
    bounds: {},
    scopes: [...scopesOf(sizes.activation_checkpoint, model.segments), ...sequence.scopes],
    zero: zeroOf(sizes, dataAxes, sequence, shared),
    precision,
    ...(reproducible && { reproducible }),
    predicted: null,
  };
  const microbatches = (least: number) => ({
    fields: ['batch.sequences', 'batch.microbatch', 'plan.pipeline_schedule'],
    fix: moreMicrobatches(batch, { data, pipeline, virtualStages }, least),
  });
  checkScheduleOf(plan, 'config', { chunks: 'plan.virtual_stages', microbatches }, sizes.schedule_file);
  requireReduceDtype(plan, { file: 'the configuration', field: 'reduce_dtype' });
  requireGradientReduction(plan, { file: 'the configuration', field: 'plan.reduce_gradients' });
  requireReproducible(plan, 'the configuration');
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
