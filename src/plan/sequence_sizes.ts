/** How ranks share sequences, from the sizes that are asked for: context parallelism, and tensor parallelism with a split sequence. */
import type { FactorName } from '../ir/type.js';
import { tooFewHeads, tooManyContextRanks, tooManySequenceRanks } from './size_diagnostics.js';
import type { SharedSizes } from './nearest_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import { tensorFactors, type PlannedModel } from './planned_model.js';
import type { TensorAxes } from './tensor_sizes.js';
import type { ContextMethod, Plan, PlanScope } from './plan.js';

/** What a plan says of sequences. */
export interface PlannedSequence {
  readonly split: Plan['split'];
  readonly method: ContextMethod | null;
  readonly scopes: Plan['scopes'];
}

/** How many ranks can share a sequence. */
export function mostContextRanks(
  { context_parallel_method: method }: ParallelSizes,
  tensorAxes: TensorAxes,
  model: PlannedModel,
): number {
  const positions = positionsOf(model);
  return method === 'ulysses' ? Math.max(1, Math.min(positions, headsOf(tensorAxes, model).most)) : positions;
}

/** `nearest`: the legal sizes. Throws `plan/too-many-context-ranks`, `plan/too-few-heads`, `plan/too-many-sequence-ranks`. */
export function sequenceOf(
  sizes: ParallelSizes,
  shared: SharedSizes,
  tensorAxes: TensorAxes,
  model: PlannedModel,
  nearest: string,
): PlannedSequence {
  const { tensor, context } = shared;
  const positions = positionsOf(model);
  if (context > positions) throw tooManyContextRanks({ context, positions, nearest });
  const method = context > 1 ? (sizes.context_parallel_method ?? 'allgather') : null;
  if (method === 'ulysses') {
    const heads = headsOf(tensorAxes, model);
    if (heads.most < context) throw tooFewHeads({ tensor, context, ...heads, model: model.name, nearest });
  }
  const overTensor = sizes.sequence_parallel === true && tensor > 1;
  const axes = [...(context > 1 ? ['context'] : []), ...(overTensor ? Object.keys(tensorAxes.mesh) : [])];
  const sharers = context * (overTensor ? tensor : 1);
  if (sharers > positions) throw tooManySequenceRanks({ tensor, context, positions });
  if (axes.length === 0) return { split: {}, method, scopes: [] };
  return { split: { sequence: axes }, method, scopes: [gatheredAgain] };
}

/** Tokens of a sequence. */
const positionsOf = ({ sizes }: PlannedModel): number => Math.max(...sizes.sequence);

/** Those of attention. */
const attentionFactors: readonly FactorName[] = ['heads', 'kv_group'];

/** By ulysses each rank needs a head with its keys and values: those that there are, and for how many ranks beside the tensor ranks. */
function headsOf({ mesh, split }: TensorAxes, { factors }: PlannedModel) {
  const factor = tensorFactors.find((one) => one in factors && attentionFactors.includes(one)) ?? null;
  if (factor === null) return { factor, size: 0, most: 0 };
  const parts = split[factor].reduce((n, axis) => n * mesh[axis], 1);
  return { factor, size: factors[factor], most: Math.floor(factors[factor] / parts) };
}

/** What is whole of a split sequence is not kept for the backward: that would be the memory that the split saves. */
const gatheredAgain: PlanScope = { of: '*', made: 'reshard', keep: 'segment and direction', ops: 'all' };
