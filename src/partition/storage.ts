/** Where the plan stores what outlasts a step: parameters, their gradients' sums, optimizer state. */
import { canonicalLayout, type Layout, type Split } from '../ir/layout.js';
import type { AxisName, Mesh } from '../ir/mesh.js';
import { elementsOf, factorsOf, namesOf, type TensorType } from '../ir/type.js';
import { gradientReductionOf, type Plan } from '../plan/plan.js';
import { axesOn, splitOver, splitsOf } from '../plan/splits.js';

/** Layout of a parameter, its gradient or data: its first factors that the plan splits, each axis once. */
export function storageLayout(plan: Plan, mesh: Mesh, type: TensorType): Layout {
  const splits: Record<string, Split> = {};
  for (const [name, axes] of splitsOf(plan, mesh, namesOf(type))) splits[name] = splitOver(plan, mesh, name, axes);
  return { splits, partial: {} };
}

/** {@link storageLayout} as values have it. */
export const layoutOn = (plan: Plan, mesh: Mesh, type: TensorType): Layout =>
  canonicalLayout(mesh, type, storageLayout(plan, mesh, type));

/**
 * Layout of the optimizer state of a parameter that is in no bucket, as one that several groups split otherwise: that of the parameter,
 * and with ZeRO its largest unsplit factor split over ZeRO's axes too. Members of buckets are cut at any element instead (`buckets.ts`).
 */
export function stateLayout(plan: Plan, mesh: Mesh, type: TensorType): Layout {
  const storage = storageLayout(plan, mesh, type);
  if (!splitsState(plan, mesh, storage)) return storage;
  const free = factorsOf(type).filter(({ name }) => !storage.splits[name]);
  if (free.length === 0) return storage;
  const largest = free.reduce((a, b) => (b.size > a.size ? b : a));
  return { splits: { ...storage.splits, [largest.name]: { axes: zeroAxes(plan, mesh, storage) } }, partial: {} };
}

/** Layout between steps of a parameter that is in no bucket. */
export const aloneLayout = (plan: Plan, mesh: Mesh, type: TensorType): Layout =>
  isStoredInParts(plan, type) ? stateLayout(plan, mesh, type) : storageLayout(plan, mesh, type);

/** True where a parameter of this type is gathered for each segment that reads it: stage 3, and not too small for that. */
export const isStoredInParts = ({ zero: { stage, persistence_threshold = 0 } }: Plan, type: TensorType): boolean =>
  stage === 3 && elementsOf(type) >= persistence_threshold;

/** Layout in which the gradient of such a parameter is summed over microbatches; null: as it comes. */
export const aloneAccumulator = (plan: Plan, mesh: Mesh, type: TensorType): Layout | null =>
  reducesEach(plan, mesh, storageLayout(plan, mesh, type)) ? stateLayout(plan, mesh, type) : null;

/** True where ZeRO splits the state of what is stored like this. */
export const splitsState = (plan: Plan, mesh: Mesh, storage: Layout): boolean =>
  plan.zero.stage > 0 && zeroAxes(plan, mesh, storage).length > 0;

/** True where the gradient of what is stored like this is reduced over ZeRO's axes for each microbatch. */
export const reducesEach = (plan: Plan, mesh: Mesh, storage: Layout): boolean =>
  gradientReductionOf(plan.zero) === 'each' && zeroAxes(plan, mesh, storage).length > 0;

/** Those of ZeRO's axes that the mesh has, and that do not split what is stored like this already. */
export function zeroAxes({ zero: { axes } }: Plan, mesh: Mesh, storage: Layout): readonly AxisName[] {
  const taken = Object.values(storage.splits).flatMap((split) => split.axes);
  return axesOn(mesh, axes).filter((axis) => !taken.includes(axis));
}
