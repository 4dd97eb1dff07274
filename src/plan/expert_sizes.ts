/** Which ranks have experts of their own, from the size that is asked for: data ranks, and where these are too few context ranks besides. */
import type { AxisName } from '../ir/mesh.js';
import { divisorsOf } from '../options/divisors.js';
import { goTogether, type NearDataSizes } from './near_data_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import type { PlannedModel } from './planned_model.js';
import type { Plan } from './plan.js';
import type { PlannedSequence } from './sequence_sizes.js';
import type { TensorAxes } from './tensor_sizes.js';
import {
  expertsDoNotDivide,
  noSuchExpertTensorSize,
  nothingForExpertRanks,
  tooManyExpertRanks,
} from './size_diagnostics.js';

/** How many neighbouring ranks of each kind have experts of their own; 1: each has those that all of its kind have. */
export interface ExpertRanks {
  readonly data: number;
  readonly context: number;
}

/** Experts over context ranks are over all data ranks too. `sharers`: context ranks that share each; `near`: sizes that are legal, where this one is not. */
export function expertRanksOf(
  { expert_parallel_size: ranks = 1, shard_size: shard }: ParallelSizes,
  data: number,
  { sequence, sharers }: { readonly sequence: Pick<PlannedSequence, 'mesh'>; readonly sharers: number },
  near: NearDataSizes,
  { name, factors }: PlannedModel,
): ExpertRanks {
  if (ranks === 1) return { data: 1, context: 1 };
  const experts = 'experts' in factors ? factors.experts : 0;
  if (experts === 0) throw nothingForExpertRanks({ ranks, model: name });
  if (ranks > experts) throw tooManyExpertRanks({ ranks, experts, most: Math.max(1, ...near.experts) });
  if (contextCuts(sequence, sharers).includes(ranks / data)) return { data, context: ranks / data };
  const context = product(Object.values(sequence.mesh));
  if (data % ranks !== 0) throw expertsDoNotDivide({ ranks, of: 'data_parallel_size', size: data, context, near });
  if (!goTogether(shard, ranks)) throw expertsDoNotDivide({ ranks, of: 'shard_size', size: shard!, context, near });
  return { data: ranks, context: 1 };
}

/**
 * The numbers of neighbouring context ranks, more than one, that can be told apart by themselves, or in so many of `within`. Of two axes each
 * keeps what the method has it for.
 */
export function contextCuts({ mesh }: Pick<PlannedSequence, 'mesh'>, within = 1): readonly number[] {
  const sizes = Object.values(mesh);
  const cuts = sizes.length === 1 ? divisorsOf(sizes[0]) : sizes.map((_, i) => product(sizes.slice(i))).reverse();
  return cuts.flatMap((n) => (n > within && n % within === 0 ? [n / within] : []));
}

/**
 * How many neighbouring context ranks share each expert, besides all tensor ranks; 1 where these suffice. Throws where there is no such number,
 * or a rank would have none of an expert's features.
 */
export function sharersOf(
  { expert_tensor_parallel_size: asked = 1, expert_parallel_size: data = 1 }: ParallelSizes,
  tensor: number,
  sequence: Pick<PlannedSequence, 'mesh'>,
  { factors }: PlannedModel,
): number {
  if (asked <= tensor) return 1;
  const cuts = contextCuts(sequence).filter((n) => n * tensor <= (factors.hidden ?? 0));
  if (cuts.includes(asked / tensor)) return asked / tensor;
  const legal = [1, ...cuts].map((n) => n * tensor);
  throw noSuchExpertTensorSize({ asked, ranks: tensor, data, experts: factors.experts, legal });
}

export interface SequenceWithExperts {
  readonly sequence: PlannedSequence;
  /** Axes of the ranks that have experts of their own, and of those that share each. */
  readonly experts: readonly AxisName[];
  readonly sharers: readonly AxisName[];
}

/** The sequence's axes, cut so that neighbours share experts, and so many of these groups of neighbours have experts of their own. */
export function withExperts(sequence: PlannedSequence, groups: number, sharers: number): SequenceWithExperts {
  const cut = cutAt(sequence, [groups * sharers, sharers]);
  const axes = Object.keys(cut.mesh);
  const ranksFrom = (i: number) => product(axes.slice(i).map((axis) => cut.mesh[axis]));
  const between = (most: number, least: number) =>
    axes.filter((_, i) => ranksFrom(i) <= most && ranksFrom(i) > least && ranksFrom(i) > 1);
  return { sequence: cut, experts: between(groups * sharers, sharers), sharers: between(sharers, 1) };
}

/** One axis cut in several, before as many of its last ranks. Where there are several they end there already. */
function cutAt(sequence: PlannedSequence, ends: readonly number[]): PlannedSequence {
  const [whole, ...others] = Object.keys(sequence.mesh);
  if (whole === undefined || others.length > 0) return sequence;
  const size = sequence.mesh[whole];
  const all = [...new Set([size, ...ends, 1])];
  if (all.length <= 2) return sequence;
  const mesh = Object.fromEntries(all.slice(1).map((end, i) => [`${whole}.${i}`, all[i] / end]));
  const over = sequence.split.sequence.flatMap((axis) => (axis === whole ? Object.keys(mesh) : [axis]));
  return { ...sequence, mesh, split: { sequence: over } };
}

/**
 * What a plan lists before its sequence, which yields to that, and behind it: what tensor ranks split, and who has experts. Behind it tokens are
 * dispatched by positions; where ranks do not have whole groups of them, experts that lie on tensor ranks alone come before it, and tokens are
 * gathered once, for all that has experts.
 */
export function listedAround(
  { sequence, experts, sharers }: SequenceWithExperts,
  ofData: readonly AxisName[],
  { mesh, split }: TensorAxes,
  perExpert: number | null,
  { tokenGroups }: Pick<PlannedModel, 'tokenGroups'>,
): { readonly before: Plan['split']; readonly behind: Plan['split'] } {
  const { experts: ofTensor = [], ...others } = split;
  const { hidden = [], ...rest } = others;
  // Positions are a sequence's first, and features of experts are divided where these have been gathered.
  const [first, then] = sharers.length > 0 ? [rest, { hidden: [...sharers, ...hidden] }] : [others, {}];
  const apart = [...ofData, ...experts];
  const over = apart.length > 0 && perExpert === null ? apart : [...apart, ...ofTensor];
  const has: Plan['split'] = over.length > 0 ? { experts: over } : {};
  if (apart.length === 0 && !hasWholeGroups(sequence, product(Object.values(mesh)), tokenGroups))
    return { before: { ...first, ...has }, behind: then };
  return { before: first, behind: { ...then, ...has } };
}

/** Whether each rank that shares a sequence has whole groups of its tokens, in the order in which the sequence is stored. */
function hasWholeGroups(
  { mesh, order }: Pick<PlannedSequence, 'mesh' | 'order'>,
  tensor: number,
  groups: number,
): boolean {
  const context = product(Object.values(mesh));
  return groups % (context * tensor) === 0 && (order === null || groups % (2 * context) === 0);
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);
