/**
 * What the assignments and reshards of a resolved plan were chosen for. They place the ops of one layout: under another they would hold on
 * to the old one, or name nodes that there are no more.
 */
import { splitChunks } from '../schedule/slot.js';
import type { AxisName } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import { choicesForAnotherPlan } from './diagnostics.js';
import { meshesOf, type Plan } from './plan.js';
import { decidingFields, hashOf } from './plan_hash.js';
import { tableOf } from './plan_schedule.js';
import { axesOn } from './splits.js';

/** Every field that the choices follow from, and its hash. */
export const chosenFor = (plan: Plan): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(choosingFields(plan)).map(([field, { follows }]) => [field, hashOf(follows)]));

/** Throws `plan/choices-for-another-plan` where one of them has been changed since. */
export function requireChosenForThis(plan: Plan, file: string): void {
  const { chosen_for: before } = plan;
  if (before === undefined) return;
  const now = chosenFor(plan);
  const field = Object.keys(now).find((name) => before[name] !== now[name]);
  if (field === undefined) return;
  const { assignments = {}, reshards = [], validation = {} } = plan;
  const count =
    Object.keys(assignments).length +
    reshards.length +
    Object.keys(validation.assignments ?? {}).length +
    (validation.reshards ?? []).length;
  throw choicesForAnotherPlan({ file, field, value: choosingFields(plan)[field].value, count });
}

interface ChoosingField {
  /** As the plan has it. */
  readonly value: unknown;
  /** What of it decides how ops are placed. */
  readonly follows: unknown;
}

/**
 * How often something runs, when it is gathered and what is made again decide nothing here: `schedule.microbatches`, `zero.prefetch`,
 * `zero.reshard_after_forward`, `scopes`. Of a schedule it is whether it splits backwards.
 */
function choosingFields(plan: Plan): Readonly<Record<string, ChoosingField>> {
  const { groups, chunks, zero, precision, ...decides } = decidingFields(plan);
  const field = (value: unknown, follows: unknown = value ?? null): ChoosingField => ({ value, follows });
  return {
    groups: field(plan.groups, groups),
    chunks: field(plan.chunks, chunks),
    'schedule.kind': field(plan.schedule.kind, [...splitChunks(tableOf(plan))].sort()),
    'batch.logical_microbatches': field(decides.batch.logical_microbatches),
    'batch.sequences': field(decides.batch.sequences),
    split: field(plan.split, effectiveSplits(plan)),
    context_method: field(plan.context_method),
    context_order: field(plan.context_order),
    bounds: field(plan.bounds),
    'zero.stage': field(zero.stage),
    'zero.persistence_threshold': field(zero.persistence_threshold),
    'zero.reduce_gradients': field(zero.reduce_gradients),
    'zero.bucket_bytes': field(zero.bucket_bytes),
    // Of what decides when there is one.
    ...('axes' in zero && { 'zero.axes': field(zero.axes) }),
    'precision.compute': field(precision.compute),
    'precision.master': field(precision.master),
    'precision.gradients': field(precision.gradients),
    'precision.reduce': field(precision.reduce),
    reproducible: field(plan.reproducible),
  };
}

/** Without axes along which no group has several ranks: they split nothing. */
const effectiveSplits = (plan: Plan): readonly (readonly [FactorName, readonly AxisName[]])[] =>
  Object.entries(plan.split).flatMap(([factor, axes]) => {
    const over = axes.filter((axis) => meshesOf(plan).some((mesh) => axesOn(mesh, [axis]).length > 0));
    return over.length > 0 ? [[factor, over]] : [];
  });
