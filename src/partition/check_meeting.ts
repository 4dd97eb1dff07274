/**
 * Where the step and the update meet: what the update takes from the step lies as the step leaves it, what both read lies in one way, and
 * what is updated lies as it did. Each graph is checked by itself (`check.ts`); a layout at this seam is stated twice.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { sameLayout } from '../ir/layout.js';
import { sameFactors } from '../ir/type.js';
import * as diagnose from './diagnostics.js';
import type { PlacedGraph, PlacedValue } from './placed.js';

/** Every value at the seam that the two graphs state differently; empty where they agree. */
export function checkMeeting(step: PlacedGraph, update: PlacedGraph): readonly DiagnosticError[] {
  const left = named(step.outputs, step);
  const read = named(step.inputs, step);
  const faults: DiagnosticError[] = [];
  const expectAlike = (name: string, value: PlacedValue, others: readonly PlacedValue[]): void => {
    const here = others.filter(({ group }) => group === value.group);
    const [other] = here;
    if (other && here.every((one) => isAlike(one, value))) return;
    faults.push(diagnose.seamDiffers({ name, is: value, other: other ?? null }));
  };
  for (const { name, kind, value } of update.inputs) {
    const input = update.values[value];
    if (kind === 'value') expectAlike(name, input, left.get(name) ?? []);
    else if (read.get(name)?.some(({ group }) => group === input.group)) expectAlike(name, input, read.get(name)!);
  }
  const replaced = named(
    update.inputs.filter(({ kind }) => kind !== 'value'),
    update,
  );
  for (const { name, value } of update.outputs) {
    const output = update.values[value];
    if (replaced.get(name)?.some(({ group }) => group === output.group)) expectAlike(name, output, replaced.get(name)!);
  }
  return faults;
}

function named(
  list: readonly { readonly name: string; readonly value: number }[],
  { values }: PlacedGraph,
): ReadonlyMap<string, readonly PlacedValue[]> {
  const found = new Map<string, PlacedValue[]>();
  for (const { name, value } of list) found.set(name, [...(found.get(name) ?? []), values[value]]);
  return found;
}

const isAlike = (a: PlacedValue, b: PlacedValue): boolean =>
  a.type.dtype === b.type.dtype && sameFactors(a.type, b.type) && sameLayout(a.layout, b.layout);
