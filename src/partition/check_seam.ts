/**
 * Where the step and the update meet: what the update takes from the step lies as the step leaves it, what both read lies in one way, and
 * what is updated lies as it did. Each graph is checked by itself (`check.ts`); a layout at this seam is stated twice.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { sameLayout } from '../ir/layout.js';
import { nameOf, roleKey, type Role } from '../ir/role.js';
import { sameFactors } from '../ir/type.js';
import * as diagnose from './diagnostics.js';
import type { PlacedGraph, PlacedValue } from './placed.js';

/** Every value at the seam that the two graphs state differently; empty where they agree. */
export function checkSeam(step: PlacedGraph, update: PlacedGraph): readonly DiagnosticError[] {
  const left = byRole(step.outputs, step);
  const read = byRole(step.inputs, step);
  const faults: DiagnosticError[] = [];
  const expectAlike = (role: Role, value: PlacedValue, others: readonly PlacedValue[]): void => {
    const here = others.filter(({ group }) => group === value.group);
    const [other] = here;
    if (other && here.every((one) => isAlike(one, value))) return;
    faults.push(diagnose.seamDiffers({ name: nameOf(role), is: value, other: other ?? null }));
  };
  for (const { role, kind, value } of update.inputs) {
    const input = update.values[value];
    const key = roleKey(role);
    if (kind === 'value') expectAlike(role, input, left.get(key) ?? []);
    else if (read.get(key)?.some(({ group }) => group === input.group)) expectAlike(role, input, read.get(key)!);
  }
  const replaced = byRole(
    update.inputs.filter(({ kind }) => kind !== 'value'),
    update,
  );
  for (const { role, value } of update.outputs) {
    const output = update.values[value];
    const before = replaced.get(roleKey(role)) ?? [];
    if (before.some(({ group }) => group === output.group)) expectAlike(role, output, before);
  }
  return faults;
}

/** Of each role, the values that stand in it: one a group. */
function byRole(
  list: readonly { readonly role: Role; readonly value: number }[],
  { values }: PlacedGraph,
): ReadonlyMap<string, readonly PlacedValue[]> {
  const found = new Map<string, PlacedValue[]>();
  for (const { role, value } of list) {
    const key = roleKey(role);
    const stands = found.get(key);
    if (stands) stands.push(values[value]);
    else found.set(key, [values[value]]);
  }
  return found;
}

const isAlike = (a: PlacedValue, b: PlacedValue): boolean =>
  a.type.dtype === b.type.dtype && sameFactors(a.type, b.type) && sameLayout(a.layout, b.layout);
