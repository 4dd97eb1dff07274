/** The axes of the tensor-parallel ranks, and what they split, from the size that is asked for. */
import type { AxisName } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import { divisorsOf } from '../options/divisors.js';
import type { Plan, PlanGroup } from './plan.js';
import { tensorFactors, type PlannedModel } from './planned_model.js';

export interface TensorAxes {
  /** Major first. */
  readonly mesh: PlanGroup['mesh'];
  readonly split: Plan['split'];
}

/** Key/value heads, and the query heads of each. */
const keyHeads: FactorName = 'kv_group';
const queryHeads: FactorName = 'group';

/**
 * One axis; but where there are fewer key/value heads than ranks, two: ranks along the first have key/value heads of their own, and ranks along
 * the second share these and divide the query heads of each (Shazeer 2019, Megatron-LM's replicated key/value heads).
 *
 *   8 ranks, 2 key/value heads of 4 query heads each     tensor.0 2 × tensor.1 4
 */
export function tensorAxesOf(ranks: number, model: PlannedModel): TensorAxes {
  const known = tensorFactors.filter((factor) => factor in model.factors);
  const over = (axes: readonly AxisName[]) => Object.fromEntries(known.map((factor) => [factor, axes]));
  const [outer, inner] = sharedOut(ranks, model);
  if (inner === 1) return { mesh: { tensor: ranks }, split: over(['tensor']) };
  // One key/value head, or a number of ranks that divides into none: all of them have all of these.
  if (outer === 1)
    return { mesh: { tensor: ranks }, split: { ...over(['tensor']), [keyHeads]: [], [queryHeads]: ['tensor'] } };
  const split = { ...over(['tensor.0', 'tensor.1']), [keyHeads]: ['tensor.0'], [queryHeads]: ['tensor.1'] };
  return { mesh: { 'tensor.0': outer, 'tensor.1': inner }, split };
}

/** Ranks that have key/value heads of their own, and among how many each of these is shared. */
function sharedOut(ranks: number, { factors, sizes }: PlannedModel): readonly [outer: number, inner: number] {
  if (!(keyHeads in factors) || factors[keyHeads] >= ranks || !(queryHeads in sizes)) return [ranks, 1];
  const outer = divisorsOf(ranks).findLast((n) => n <= factors[keyHeads])!;
  return [outer, ranks / outer];
}

/** What does not have a part for each of so many ranks; null where all has. */
export function tooSmallFor(
  ranks: number,
  model: PlannedModel,
): { readonly name: FactorName; readonly size: number } | null {
  const { factors, sizes } = model;
  const [outer, inner] = sharedOut(ranks, model);
  const named = tensorFactors.filter((name) => name in factors).map((name) => ({ name, size: factors[name] }));
  const small = named.filter(({ name, size }) => size < (name === keyHeads ? outer : ranks));
  const each = inner > 1 ? Math.min(...sizes[queryHeads]) : inner;
  if (each < inner) {
    const name = outer < factors[keyHeads] ? 'query heads that so many ranks can divide' : 'query heads';
    small.push({ name, size: outer * each });
  }
  return small.length > 0 ? small.reduce((a, b) => (b.size < a.size ? b : a)) : null;
}

/** The most ranks, no more than these, for which all has a part; 1 where nothing is split. */
export function mostTensorRanks(ranks: number, model: PlannedModel): number {
  if (!tensorFactors.some((name) => name in model.factors)) return 1;
  for (let n = ranks; n > 1; n--) if (tooSmallFor(n, model) === null) return n;
  return 1;
}
