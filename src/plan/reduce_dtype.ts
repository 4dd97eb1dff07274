/** In which types gradients may be reduced over ranks. */
import { dtypeBytes, type DType } from '../ir/dtype.js';
import type { FactorName } from '../ir/type.js';
import { reducedForNothing, reducedInMore } from './diagnostics.js';
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
  const shares = dataFactors.some((factor) =>
    meshesOf(plan).some((mesh) => axesOn(mesh, split[factor] ?? []).length > 0),
  );
  if (!shares) {
    throw reducedForNothing({
      ...place,
      reduce,
      why: 'no ranks share the data: every gradient is whole where it is made',
    });
  }
  if (reduce === master && gradientDtypeOf(precision) === master) {
    const why = `gradients are summed in ${master}, and reduced in the type in which they are summed where nothing is said`;
    throw reducedForNothing({ ...place, reduce, why });
  }
}
