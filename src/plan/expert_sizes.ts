/** Which ranks have experts of their own, from the size that is asked for: data ranks, and where these are too few context ranks besides. */
import type { AxisName } from '../ir/mesh.js';
import { divisorsOf } from '../options/divisors.js';
import { goTogether, type NearDataSizes } from './near_data_sizes.js';
import type { ParallelSizes } from './parallel_sizes.js';
import type { PlannedModel } from './planned_model.js';
import type { PlannedSequence } from './sequence_sizes.js';
import { expertsDoNotDivide, nothingForExpertRanks, tooManyExpertRanks } from './size_diagnostics.js';

/** How many neighbouring ranks of each kind have experts of their own; 1: each has those that all of its kind have. */
export interface ExpertRanks {
  readonly data: number;
  readonly context: number;
}

/** Experts over context ranks are over all data ranks too. `near`: sizes that are legal, where this one is not. */
export function expertRanksOf(
  { expert_parallel_size: ranks = 1, shard_size: shard }: ParallelSizes,
  data: number,
  sequence: Pick<PlannedSequence, 'mesh'>,
  near: NearDataSizes,
  { name, factors }: PlannedModel,
): ExpertRanks {
  if (ranks === 1) return { data: 1, context: 1 };
  const experts = 'experts' in factors ? factors.experts : 0;
  if (experts === 0) throw nothingForExpertRanks({ ranks, model: name });
  if (ranks > experts) throw tooManyExpertRanks({ ranks, experts, most: Math.max(1, ...near.experts) });
  if (contextCuts(sequence).includes(ranks / data)) return { data, context: ranks / data };
  const context = product(Object.values(sequence.mesh));
  if (data % ranks !== 0) throw expertsDoNotDivide({ ranks, of: 'data_parallel_size', size: data, context, near });
  if (!goTogether(shard, ranks)) throw expertsDoNotDivide({ ranks, of: 'shard_size', size: shard!, context, near });
  return { data: ranks, context: 1 };
}

/** The numbers of context ranks, more than one, that can have experts of their own. Of two axes each keeps what the method has it for. */
export function contextCuts({ mesh }: Pick<PlannedSequence, 'mesh'>): readonly number[] {
  const sizes = Object.values(mesh);
  const cuts = sizes.length === 1 ? divisorsOf(sizes[0]) : sizes.map((_, i) => product(sizes.slice(i))).reverse();
  return cuts.filter((n) => n > 1);
}

/** The sequence's axes cut so that as many of its ranks, neighbours, have experts of their own; and these axes. */
export function withExperts(
  sequence: PlannedSequence,
  ranks: number,
): { readonly sequence: PlannedSequence; readonly experts: readonly AxisName[] } {
  const axes = Object.keys(sequence.mesh);
  if (ranks === 1) return { sequence, experts: [] };
  const inner = axes.findLastIndex((_, i) => product(axes.slice(i).map((axis) => sequence.mesh[axis])) === ranks);
  if (inner >= 0) return { sequence, experts: axes.slice(inner) };
  const [whole] = axes;
  const cut = [`${whole}.0`, `${whole}.1`];
  const mesh = { [cut[0]]: sequence.mesh[whole] / ranks, [cut[1]]: ranks };
  const split = { sequence: sequence.split.sequence.flatMap((axis) => (axis === whole ? cut : [axis])) };
  return { sequence: { ...sequence, mesh, split }, experts: [cut[1]] };
}

/** Whether each rank that shares a sequence has whole groups of its tokens, in the order in which the sequence is stored. */
export function hasWholeGroups(
  { mesh, order }: Pick<PlannedSequence, 'mesh' | 'order'>,
  tensor: number,
  { tokenGroups }: Pick<PlannedModel, 'tokenGroups'>,
): boolean {
  const context = product(Object.values(mesh));
  return tokenGroups % (context * tensor) === 0 && (order === null || tokenGroups % (2 * context) === 0);
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);
