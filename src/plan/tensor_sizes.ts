/** The axes of the tensor-parallel ranks, and what they split, from the size that is asked for. */
import type { AxisName } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import { divisorsOf } from '../options/divisors.js';
import type { ParallelSizes } from './parallel_sizes.js';
import type { Plan, PlanGroup } from './plan.js';
import { tensorFactors, type PlannedModel } from './planned_model.js';
import { noSuchExpertTensorSize, nothingForExpertTensorRanks } from './size_diagnostics.js';

export interface TensorAxes {
  /** Major first. */
  readonly mesh: PlanGroup['mesh'];
  readonly split: Plan['split'];
}

/** Key/value heads, and the query heads of each. */
const keyHeads: FactorName = 'kv_group';
const queryHeads: FactorName = 'group';
const experts: FactorName = 'experts';

/**
 * One axis; but where there are fewer key/value heads than ranks, two: ranks along the first have key/value heads of their own, and ranks along
 * the second share these and divide the query heads of each (Shazeer 2019, Megatron-LM's replicated key/value heads). And where fewer than
 * all share an expert, as many along the last axes do, and along the others ranks have experts of their own.
 *
 *   8 ranks, 2 key/value heads of 4 query heads each     tensor.0 2 × tensor.1 4
 *   8 ranks, 2 of them to an expert besides              tensor.0 2 × tensor.1 2 × tensor.2 2, experts over the first two
 *
 * `perExpert`: ranks that share each expert, null where that is not said. Of two cuts one is a part of the other.
 */
export function tensorAxesOf(ranks: number, model: PlannedModel, perExpert: number | null = null): TensorAxes {
  const known = tensorFactors.filter((factor) => factor in model.factors);
  const [outer, inner] = sharedOut(ranks, model);
  const ofExperts = perExpert === null ? ranks : ranks / perExpert;
  const cuts = [outer, ofExperts].filter((cut) => cut > 1 && cut < ranks);
  const ends = [...new Set([...cuts, ranks])].sort((a, b) => a - b);
  const axes = ends.map((end, i) => ({
    name: ends.length === 1 ? 'tensor' : `tensor.${i}`,
    size: end / (i === 0 ? 1 : ends[i - 1]),
    end,
  }));
  const names = (which: (end: number) => boolean): readonly AxisName[] =>
    axes.flatMap(({ name, end }) => (which(end) ? [name] : []));
  const split = Object.fromEntries(known.map((factor) => [factor, names(() => true)]));
  if (inner > 1) {
    // One key/value head, or a number of ranks that divides into none: all of them have all of these.
    split[keyHeads] = names((end) => end <= outer);
    split[queryHeads] = names((end) => end > outer);
  }
  if (perExpert !== null && experts in split) split[experts] = names((end) => end <= ofExperts);
  return { mesh: Object.fromEntries(axes.map(({ name, size }) => [name, size])), split };
}

/** Ranks that have key/value heads of their own, and among how many each of these is shared. */
function sharedOut(ranks: number, { factors, sizes }: PlannedModel): readonly [outer: number, inner: number] {
  if (!(keyHeads in factors) || factors[keyHeads] >= ranks || !(queryHeads in sizes)) return [ranks, 1];
  const outer = divisorsOf(ranks).findLast((n) => n <= factors[keyHeads])!;
  return [outer, ranks / outer];
}

/**
 * How many of the tensor ranks share each expert; null where nothing is said. Throws where that is no size that there can be: more than the
 * tensor ranks, a number that does not divide them, or one whose cut and that of the key/value heads cross.
 */
export function ranksPerExpert(
  {
    expert_tensor_parallel_size: asked,
    expert_parallel_size: data = 1,
    context_parallel_size: context = 1,
  }: ParallelSizes,
  ranks: number,
  model: PlannedModel,
): number | null {
  if (asked === undefined) return null;
  if (!(experts in model.factors)) throw nothingForExpertTensorRanks({ ranks: asked, model: model.name });
  // Context ranks are asked for besides.
  if (asked > ranks && context > 1) return ranks;
  const [outer] = sharedOut(ranks, model);
  const isLegal = (size: number) => {
    const own = ranks / size;
    return own % outer === 0 || outer % own === 0 ? own * data <= model.factors[experts] : false;
  };
  const legal = divisorsOf(ranks).filter(isLegal);
  if (!legal.includes(asked))
    throw noSuchExpertTensorSize({ asked, ranks, data, experts: model.factors[experts], legal });
  return asked;
}

/** What does not have a part for each of so many ranks; null where all has. Experts need not have where it is said how many share each. */
export function tooSmallFor(
  ranks: number,
  model: PlannedModel,
  sharesExperts = false,
): { readonly name: FactorName; readonly size: number } | null {
  const { factors, sizes } = model;
  const [outer, inner] = sharedOut(ranks, model);
  const cut = tensorFactors.filter((name) => name in factors && !(sharesExperts && name === experts));
  const named = cut.map((name) => ({ name, size: factors[name] }));
  const small = named.filter(({ name, size }) => size < (name === keyHeads ? outer : ranks));
  const each = inner > 1 ? Math.min(...sizes[queryHeads]) : inner;
  if (each < inner) {
    const name = outer < factors[keyHeads] ? 'query heads that so many ranks can divide' : 'query heads';
    small.push({ name, size: outer * each });
  }
  return small.length > 0 ? small.reduce((a, b) => (b.size < a.size ? b : a)) : null;
}

/** The most ranks, no more than these, for which all has a part; 1 where nothing is split. */
export function mostTensorRanks(ranks: number, model: PlannedModel, sharesExperts = false): number {
  if (!tensorFactors.some((name) => name in model.factors)) return 1;
  for (let n = ranks; n > 1; n--) if (tooSmallFor(n, model, sharesExperts) === null) return n;
  return 1;
}
