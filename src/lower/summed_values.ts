/** Sums over microbatches: the step's outputs, which the update reads in the same roles. */
import { nameOf, roleKey, roleWith } from '../ir/role.js';
import type { PlacedId, PlacedStep } from '../partition/placed.js';
import type { ValueIndex } from '../program/program.js';
import type { ClassRequest } from './class_request.js';
import type { ClassValues } from './class_values.js';
import type { Known } from './stored_values.js';

export interface Sums {
  /** Outputs of the step graph, and the members of those that are packed → their sums. */
  readonly sums: ReadonlyMap<PlacedId, ValueIndex>;
  /** Without an update the sums are what the host reads, by name. */
  readonly results: Readonly<Record<string, ValueIndex>>;
}

/** `makers`: the steps that make the values of the step graph. */
export function declareSums(
  { step, update, group }: ClassRequest,
  values: ClassValues,
  known: Known,
  makers: ReadonlyMap<PlacedId, PlacedStep>,
): Sums {
  const sums = new Map<PlacedId, ValueIndex>();
  const results: Record<string, ValueIndex> = {};
  const reads = new Map<string, PlacedId[]>();
  for (const { role, value } of update?.inputs ?? []) {
    const key = roleKey(role);
    if (update!.values[value].group === group) reads.set(key, [...(reads.get(key) ?? []), value]);
  }
  for (const { role, name, value } of step.outputs) {
    const placed = step.values[value];
    if (placed.group !== group) continue;
    const sum = values.add(placed, `sum ${name}`, { kind: 'sum', role }, 'sum');
    sums.set(value, sum);
    const pack = makers.get(value);
    if (pack?.kind === 'pack') {
      // The sum of a bucket is that of its members.
      const parts = pack.inputs.map((id, k) => {
        const its = roleWith(role, pack.members[k].name);
        const part = values.add(step.values[id], `sum ${nameOf(its)}`, { kind: 'sum', role: its }, 'sum');
        sums.set(id, part);
        return part;
      });
      values.fill(sum, parts);
    }
    if (!update) results[name] = sum;
    for (const read of reads.get(roleKey(role)) ?? []) known.update.set(read, sum);
  }
  return { sums, results };
}
