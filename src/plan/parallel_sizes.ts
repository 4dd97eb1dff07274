/** Plans from the sizes that users of Megatron-LM and DeepSpeed know: `{ data_parallel_size: 2, tensor_parallel_size: 2 }`. */
import type { FactorName } from '../ir/type.js';
import {
  batchDoesNotDivide,
  nothingForTensorRanks,
  tooManyStages,
  tooManyTensorRanks,
  worldSizeMismatch,
} from './diagnostics.js';
import { pipelineOf, planVersion, type Plan } from './plan.js';

export interface ParallelSizes {
  readonly data_parallel_size?: number;
  readonly tensor_parallel_size?: number;
  readonly pipeline_parallel_size?: number;
  /** DeepSpeed's stage: 1 splits optimizer state over the data-parallel ranks. */
  readonly zero_stage?: 0 | 1;
}

/** What a plan needs to know of the model. */
export interface PlannedModel {
  readonly name: string;
  readonly hash: string;
  readonly segments: readonly string[];
  /** Sizes of factors that tensor parallelism splits: `heads`, `hidden`, `vocab`, … */
  readonly factors: Readonly<Record<FactorName, number>>;
  /** Sizes of every factor that parameters or sequences have: one each, unless a model uses a name for two things. */
  readonly sizes: Readonly<Record<FactorName, readonly number[]>>;
}

export interface PlannedBatch {
  /** Sequences in a step. */
  readonly sequences: number;
  /** Sequences in a logical microbatch. */
  readonly microbatch: number;
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
  const most = { tensor: mostTensorRanks(model), pipeline: model.segments.length };
  const asked = { data: sizes.data_parallel_size ?? null, tensor, pipeline };
  const nearest = nearestText(asked, nearestSizes(asked, most, { ranks, ranksAreGiven }));
  if (data * tensor * pipeline !== ranks) {
    const isLegal = tensor <= most.tensor.size && pipeline <= most.pipeline;
    throw worldSizeMismatch({ data, tensor, pipeline, ranks, nearest, isLegal });
  }
  if (tensor > most.tensor.size) {
    if (most.tensor.factor === null) throw nothingForTensorRanks({ tensor, data, model: model.name });
    throw tooManyTensorRanks({ tensor, ...most.tensor, factor: most.tensor.factor, nearest });
  }
  if (pipeline > most.pipeline) throw tooManyStages({ pipeline, segments: most.pipeline, nearest });
  if (batch.sequences % batch.microbatch !== 0) throw batchDoesNotDivide(batch);
  const { split, scheduled, together } = shareBatch(batch, data, pipeline);
  return {
    flotilla_plan: planVersion,
    model: { name: model.name, hash: model.hash },
    ...pipelineOf(cutEvenly(model.segments, pipeline).map((segments) => ({ segments, mesh: { data, tensor } }))),
    schedule: { kind: '1f1b', microbatches: scheduled, table: null },
    batch: {
      logical_microbatches: together,
      sequences: batch.microbatch,
      padding: scheduled * together - batch.sequences / batch.microbatch,
    },
    split: {
      [split]: ['data'],
      ...Object.fromEntries(tensorFactors.filter((f) => f in model.factors).map((f) => [f, ['tensor']])),
    },
    bounds: {},
    zero: { stage: sizes.zero_stage ?? 0, axis: 'data' },
    precision,
    predicted: null,
  };
}

/** A rank must have a part of each factor that is split, so the smallest says how many there can be; without any, one. */
function mostTensorRanks({ factors }: PlannedModel): { readonly factor: FactorName | null; readonly size: number } {
  const known = tensorFactors.filter((factor) => factor in factors);
  if (known.length === 0) return { factor: null, size: 1 };
  const factor = known.reduce((a, b) => (factors[b] < factors[a] ? b : a));
  return { factor, size: factors[factor] };
}

interface Sizes {
  /** Null: as many as the ranks allow. */
  readonly data: number | null;
  readonly tensor: number;
  readonly pipeline: number;
}

/**
 * The legal sizes nearest to those that are asked for: the largest that are no larger, on as many ranks as there are; where these are ours to
 * choose and have no part in it, on others.
 */
function nearestSizes(
  { tensor, pipeline }: Sizes,
  most: { readonly tensor: { readonly size: number }; readonly pipeline: number },
  { ranks, ranksAreGiven }: { readonly ranks: number; readonly ranksAreGiven: boolean },
): Sizes {
  const [parts, stages] = [Math.min(tensor, most.tensor.size), Math.min(pipeline, most.pipeline)];
  if (ranks % (parts * stages) === 0) return { data: ranks / (parts * stages), tensor: parts, pipeline: stages };
  if (!ranksAreGiven) return { data: null, tensor: parts, pipeline: stages };
  const cut = largestDivisor(ranks, stages);
  const split = largestDivisor(ranks / cut, parts);
  return { data: ranks / cut / split, tensor: split, pipeline: cut };
}

/** Those of the sizes that differ from what was asked for, and how many replicas there then are. */
const nearestText = (asked: Sizes, { data, tensor, pipeline }: Sizes): string =>
  [
    ...(tensor === asked.tensor ? [] : [`tensor_parallel_size ${tensor}`]),
    ...(pipeline === asked.pipeline ? [] : [`pipeline_parallel_size ${pipeline}`]),
    ...(data === null ? [] : [`data_parallel_size ${data}`]),
  ].join(', ');

function largestDivisor(of: number, atMost: number): number {
  for (let n = Math.min(of, atMost); n > 1; n--) if (of % n === 0) return n;
  return 1;
}

/**
 * How the data ranks share a batch. Each scheduled microbatch holds one logical one for every rank, so that a rank gets the floor or the
 * ceiling of their number; the last is filled up with padding. Where there are fewer than ranks, and a rank's part of every one is less
 * than one whole, each logical microbatch is split over the ranks instead.
 */
function shareBatch(
  { sequences, microbatch }: PlannedBatch,
  data: number,
  pipeline: number,
): { readonly split: 'microbatch' | 'batch'; readonly scheduled: number; readonly together: number } {
  const logical = sequences / microbatch;
  if (logical * Math.ceil(microbatch / data) < microbatch) {
    // Stages work on one while the next ones are under way; one stage alone has fewer kernels to launch for all of them at once.
    const together = pipeline > 1 ? 1 : logical;
    return { split: 'batch', scheduled: logical / together, together };
  }
  return { split: 'microbatch', scheduled: Math.ceil(logical / data), together: data };
}

/** Segments in order, in runs as equal as can be. */
function cutEvenly(segments: readonly string[], runs: number): readonly (readonly string[])[] {
  return Array.from({ length: runs }, (_, i) =>
    segments.slice(Math.floor((i * segments.length) / runs), Math.floor(((i + 1) * segments.length) / runs)),
  );
}
