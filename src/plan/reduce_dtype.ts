/** In which types gradients may be reduced over ranks, and when. */
import { dtypeBytes, type DType } from '../ir/dtype.js';
import type { FactorName } from '../ir/type.js';
import { reducedForNothing, reducedInMore, reductionForNothing } from './diagnostics.js';
import { gradientDtypeOf } from './gradient_dtype.js';
import { meshesOf, type Plan, type PlanPrecision } from './plan.js';
import { axesOn } from './splits.js';

export type ReduceDtype = NonNullable<PlanPrecision['reduce']>;

export const reduceDtypes = ['bf16', 'f32', 'f64'] as const satisfies readonly ReduceDtype[];

/** The type in which gradients of a type are reduced. */
export const reduceDtypeOf =
  ({ reduce }: PlanPrecision): ((gradient: DType) => DType) =>
  (gradient) =>
    reduce ?? gradient;

/** Factors of what a step reads: ranks that share one of them have a sum each. */
const dataFactors: readonly FactorName[] = ['microbatch', 'batch', 'sequence'];

const isDataShared = ({ split, ...plan }: Pick<Plan, 'groups' | 'split'>): boolean =>
  dataFactors.some((factor) => meshesOf(plan).some((mesh) => axesOn(mesh, split[factor] ?? []).length > 0));

const notShared = 'no ranks share the data: every gradient is whole where it is made';

/**
 * Throws `plan/contradiction` where it is said when gradients are reduced, and no ranks share the data, nor does ZeRO split sums of gradients,
 * which that decides too.
 */
export function requireGradientReduction(
  { zero, ...plan }: Pick<Plan, 'zero' | 'groups' | 'split'>,
  place: { readonly file: string; readonly field: string },
): void {
  const { stage, axes, reduce_gradients: when } = zero;
  const splits = stage > 0 && meshesOf(plan).some((mesh) => axesOn(mesh, axes).length > 0);
  if (when === undefined || splits || isDataShared(plan)) return;
  throw reductionForNothing({ ...place, when, why: notShared });
}

/**
 * Throws `plan/contradiction` where gradients are to be reduced in a type that holds more than the parameters do, or in the one in which all of
 * them are anyhow, or where no ranks share the data.
 */
export function requireReduceDtype(
  { precision, split, ...plan }: Pick<Plan, 'precision' | 'groups' | 'split'>,
  place: { readonly file: string; readonly field: string },
): void {
  const { reduce, master } = precision;
  if (reduce === undefined) return;
  const legal = reduceDtypes.filter((dtype) => dtypeBytes[dtype] <= dtypeBytes[master]);
  if (!legal.includes(reduce)) throw reducedInMore({ ...place, reduce, master, legal });
  if (!isDataShared({ split, ...plan })) {
    throw reducedForNothing({
      ...place,
      reduce,
      why: notShared,
    });
  }
  if (reduce === master && gradientDtypeOf(precision) === master) {
    const why = `gradients are summed in ${master}, and reduced in the type in which they are summed where nothing is said`;
    throw reducedForNothing({ ...place, reduce, why });
  }
}
