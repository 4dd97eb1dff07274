/** What a group holds between steps, as its placed graphs say: parameters and the optimizer's state, alike on all of its ranks. */
import type { Layout } from '../ir/layout.js';
import { nameOf, parameterRole, type Role } from '../ir/role.js';
import type { TensorType } from '../ir/type.js';
import { bucketOfRole, isGathered, tensorsIn } from './buckets.js';
import type { PackedTensor } from './packing.js';
import type { PlacedGraphs } from './place_graphs.js';

/** A stored value, whole. */
export interface StoredValue {
  /** As programs and hosts name it. */
  readonly name: string;
  readonly role: Role;
  readonly type: TensorType;
  readonly layout: Layout;
  /** Of a bucket, and of its padding: the tensors that lie in it, one behind the other. */
  readonly tensors: readonly PackedTensor[] | null;
}

/**
 * A bucket that ops read as it is stored counts as its members, padding among them; one that is gathered first counts as one value, and so
 * does its state.
 */
export function storedState({ step, update, buckets }: PlacedGraphs, group: number): readonly StoredValue[] {
  const own = buckets.filter((bucket) => bucket.group === group);
  const stored = new Map<string, StoredValue>();
  for (const bucket of own) {
    if (isGathered(bucket)) continue;
    for (const member of bucket.members) {
      const role = parameterRole(member.name);
      const name = nameOf(role);
      const tensors = member.isPadding ? [{ ...member, name }] : null;
      stored.set(name, { name, role, type: member.type, layout: member.layout, tensors });
    }
  }
  for (const graph of update ? [step, update] : [step]) {
    for (const { role, name, kind, value } of graph.inputs) {
      const { type, layout, group: at } = graph.values[value];
      if (at !== group || (kind !== 'parameter' && kind !== 'state')) continue;
      const bucket = bucketOfRole(own, role);
      if (bucket && role.kind === 'parameter' && !isGathered(bucket)) continue;
      stored.set(name, { name, role, type, layout, tensors: bucket ? tensorsIn(bucket, role) : null });
    }
  }
  return [...stored.values()];
}
