/** In which types gradients may be summed. */
import { gradientsInAnotherType } from './diagnostics.js';
import type { PlanPrecision } from './plan.js';

export type GradientDtype = NonNullable<PlanPrecision['gradients']>;

/** The type of gradients of parameters that ops read in the compute type. */
export const gradientDtypeOf = ({ gradients, master }: PlanPrecision): GradientDtype => gradients ?? master;

/** Throws `plan/contradiction` where gradients are to be in a type that is neither of the ops that make them nor of the parameters. */
export function requireGradientDtype(
  precision: PlanPrecision,
  place: { readonly file: string; readonly field: string },
) {
  const { compute, master } = precision;
  const legal = compute === master ? [master] : [master, compute];
  const gradients = gradientDtypeOf(precision);
  if (!legal.includes(gradients)) throw gradientsInAnotherType({ ...place, gradients, compute, master, legal });
}
