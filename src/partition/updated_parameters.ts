/** What the update reads of the step: the gradients of buckets and of parameters by themselves, whole or in parts. */
import type { Graph } from '../ir/graph.js';
import { gradientRole, inRole, roleKey, roleWith, type Role } from '../ir/role.js';
import type { UpdatedParameter } from '../optim/update.js';
import type { SplitSums } from '../passes/split_sums.js';
import { bucketOfRole, gradientsOf, type Bucket } from './buckets.js';
import { sumNotRead } from './diagnostics.js';

/** The outputs of the step that are gradients of parameters in no bucket, or parts of them. */
export function loneGradients(
  parameters: readonly UpdatedParameter[],
  buckets: readonly Bucket[],
  parts: SplitSums['parts'],
): readonly Role[] {
  const packed = packedIn(buckets);
  return parameters.flatMap(({ name }) => (packed.has(name) ? [] : (parts.get(name) ?? [gradientRole(name)])));
}

/** The parameters whose gradients the step gives, whole or in parts. */
export function withGradient(
  parameters: readonly UpdatedParameter[],
  step: Graph,
  parts: SplitSums['parts'],
): readonly UpdatedParameter[] {
  const whole = new Set(step.outputs.flatMap(({ role }) => (role.kind === 'gradient' ? [role.of] : [])));
  return parameters.filter(({ name }) => parts.has(name) || whole.has(name));
}

/** Throws where the update leaves out a gradient, or a part of one. */
export function expectAllRead(step: Graph, update: Graph, buckets: readonly Bucket[]): void {
  const read = new Set(
    update.inputs.flatMap(({ role }) => {
      const bucket = bucketOfRole(buckets, role);
      const roles = bucket ? bucket.members.map(({ name }) => roleWith(role, name)) : [role];
      return roles.map(roleKey);
    }),
  );
  const unread = step.outputs.find(({ role }) => role.kind === 'gradient' && !read.has(roleKey(role)));
  if (unread) throw sumNotRead({ name: unread.name });
}

/** What the update updates: buckets, and by themselves the parameters that are in none. */
export function updatedParameters(
  step: Graph,
  parameters: readonly UpdatedParameter[],
  buckets: readonly Bucket[],
  contributions: SplitSums['parts'],
): readonly UpdatedParameter[] {
  const packed = packedIn(buckets);
  const alone = parameters.filter(({ name }) => !packed.has(name));
  const updated = buckets
    .filter(({ group, home }) => group === home)
    .map(({ name, type, matrices, gradient }): UpdatedParameter => {
      const records = buckets.filter((one) => one.name === name);
      return { name, type, matrices, gradient, contributions: records.flatMap(gradientsOf) };
    });
  const others = alone.map(({ name, type }): UpdatedParameter => {
    const given = contributions.get(name) ?? [gradientRole(name)];
    const { value } = inRole(step.outputs, given[0])!;
    return { name, type, gradient: step.values[value].type.dtype, contributions: given };
  });
  return [...updated, ...others];
}

const packedIn = (buckets: readonly Bucket[]): ReadonlySet<string> =>
  new Set(buckets.flatMap(({ members }) => members.map(({ name }) => name)));
