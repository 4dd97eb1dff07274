/** How ranks share sequences, from the sizes that are asked for: context parallelism, and tensor parallelism with a split sequence. */
import type { AxisName } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import { divisorsOf } from '../options/divisors.js';
import {
  balancedByHeads,
  contextForNothing,
  sequenceParallelForNothing,
  tooFewHeads,
  tooManyContextRanks,
  tooManySequenceRanks,
} from './size_diagnostics.js';
import type { SharedSizes } from './nearest_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import { tensorFactors, type PlannedModel } from './planned_model.js';
import type { TensorAxes } from './tensor_sizes.js';
import { hasAllPositions, type ContextMethod } from './context_methods.js';
import type { ContextOrder, Plan, PlanScope } from './plan.js';

/** What a plan says of sequences. */
export interface PlannedSequence {
  /** Axes of the mesh besides, and their ranks: those that share sequences. */
  readonly mesh: Readonly<Record<AxisName, number>>;
  readonly split: Plan['split'];
  readonly method: ContextMethod | null;
  readonly order: ContextOrder | null;
  readonly scopes: Plan['scopes'];
}

/** How many ranks can share a sequence. */
export function mostContextRanks(
  { context_parallel_method: method }: ParallelSizes,
  tensorAxes: TensorAxes,
  model: PlannedModel,
): number {
  const positions = positionsOf(model);
  return hasAllPositions(method) ? Math.max(1, Math.min(positions, headsOf(tensorAxes, model).most)) : positions;
}

/**
 * `nearest`: the legal sizes. Throws `plan/too-many-context-ranks`, `plan/too-few-heads`, `plan/too-many-sequence-ranks`, and `plan/contradiction`
 * where something is said of ranks that are to share sequences, and none do.
 */
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
  const field = context === 1 ? contextFields.find((name) => sizes[name] !== undefined) : undefined;
  if (field !== undefined) throw contextForNothing({ field, value: sizes[field]! });
  if (sizes.sequence_parallel === true && tensor === 1) throw sequenceParallelForNothing();
  const heads = headsOf(tensorAxes, model);
  const asked = context > 1 ? (sizes.context_parallel_method ?? 'allgather') : null;
  if (hasAllPositions(asked) && heads.most < context) {
    throw tooFewHeads({ tensor, context, ...heads, model: model.name, nearest });
  }
  const { method, mesh } = methodOf(asked, context, heads.most);
  const balancer = sizes.context_parallel_load_balancer;
  if (hasAllPositions(method) && balancer !== undefined) throw balancedByHeads({ balancer });
  const overTensor = sizes.sequence_parallel === true;
  const axes = [...Object.keys(mesh), ...(overTensor ? Object.keys(tensorAxes.mesh) : [])];
  const sharers = context * (overTensor ? tensor : 1);
  if (sharers > positions) throw tooManySequenceRanks({ tensor, context, positions });
  if (axes.length === 0) return { mesh, split: {}, method, order: null, scopes: [] };
  const balanced = method !== null && !hasAllPositions(method) && balancer !== 'none';
  return {
    mesh,
    split: { sequence: axes },
    method,
    order: balanced ? 'head_tail' : null,
    scopes: [gatheredAgain],
  };
}

const contextFields = ['context_parallel_method', 'context_parallel_load_balancer'] as const;

/**
 * The axes of the ranks that share a sequence. By `ulysses+ring` as many as can exchange heads do, next to each other, and rings go across;
 * where that is all of them, or one, there is one axis and one method.
 */
function methodOf(
  asked: ContextMethod | null,
  context: number,
  mostByHeads: number,
): Pick<PlannedSequence, 'method' | 'mesh'> {
  if (asked === null) return { method: null, mesh: {} };
  const within = divisorsOf(context).findLast((size) => size <= mostByHeads) ?? 1;
  if (asked !== 'ulysses+ring') return { method: asked, mesh: { context } };
  if (within === context) return { method: 'ulysses', mesh: { context } };
  if (within === 1) return { method: 'ring', mesh: { context } };
  return { method: asked, mesh: { 'context.0': context / within, 'context.1': within } };
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
