/** How a plan's splits meet a tensor: each axis goes to the first of the tensor's own factors that is listed with it. */
import type { Split } from '../ir/layout.js';
import { axisSize, hasAxis, type AxisName, type Mesh } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import type { Plan } from './plan.js';

/** The axes that split each of a tensor's factors on a group's mesh; factors that stay whole are not listed. */
export function splitsOf(
  { split }: Pick<Plan, 'split'>,
  mesh: Mesh,
  factors: readonly FactorName[],
): ReadonlyMap<FactorName, readonly AxisName[]> {
  const splits = new Map<FactorName, readonly AxisName[]>();
  const used = new Set<AxisName>();
  for (const name of factors) {
    if (!Object.hasOwn(split, name)) continue;
    const axes = axesOn(mesh, split[name]).filter((axis) => !used.has(axis));
    if (axes.length === 0) continue;
    splits.set(name, axes);
    axes.forEach((axis) => used.add(axis));
  }
  return splits;
}

/** The axes of a plan that have more than one rank on a group's mesh: another group's may lack them. */
export const axesOn = (mesh: Mesh, axes: readonly AxisName[]): readonly AxisName[] =>
  axes.filter((axis) => hasAxis(mesh, axis) && axisSize(mesh, axis) > 1);

/** A factor's split over those of its axes that other factors leave it: where the plan cuts it, over all of them alone. */
export function splitOver(
  { split, bounds }: Pick<Plan, 'split' | 'bounds'>,
  mesh: Mesh,
  factor: FactorName,
  axes: readonly AxisName[],
): Split {
  const isWhole = axes.length === axesOn(mesh, split[factor]).length;
  return isWhole && Object.hasOwn(bounds, factor) ? { axes, bounds: bounds[factor] } : { axes };
}

/** The axes over which a factor is split only where no other is that is listed before it. */
export function yieldedAxes(split: Plan['split'], factor: FactorName): readonly AxisName[] {
  const before = Object.entries(split).slice(0, Object.keys(split).indexOf(factor));
  return (split[factor] ?? []).filter((axis) => before.some(([, axes]) => axes.includes(axis)));
}

/** The axes over which a factor is split and yields to none. */
export function ownAxes(split: Plan['split'], factor: FactorName): readonly AxisName[] {
  const yielded = yieldedAxes(split, factor);
  return (split[factor] ?? []).filter((axis) => !yielded.includes(axis));
}
