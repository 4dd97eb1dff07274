/**
 * Values that outlast a step: the inputs of both graphs, one persistent value a role (data: an instance a microbatch), and what the update
 * leaves in their place.
 */
import { printLayout, sameLayout } from '../ir/layout.js';
import { nameOf, parameterRole, roleKey, type Role } from '../ir/role.js';
import { rowMajor } from '../ir/strides.js';
import { sizesOf } from '../ir/type.js';
import { bucketOfRole, isGathered, tensorsIn } from '../partition/buckets.js';
import type { PlacedGraph, PlacedId, PlacedValue } from '../partition/placed.js';
import type { Contract, ContractEntry, GraphValue, ValueIndex } from '../program/program.js';
import type { ClassRequest } from './class_request.js';
import type { ClassValues } from './class_values.js';
import { storageDiffers, updateNotInPlace } from './diagnostics.js';

/** Values of the graphs that have one in the class. */
export type Known = Readonly<Record<GraphValue['graph'], Map<PlacedId, ValueIndex>>>;

/** Declares the inputs of both graphs; buckets come first, since others lie in them. Returns what is state: parameters and the optimizer's. */
export function declareInputs(request: ClassRequest, values: ClassValues, known: Known): ReadonlySet<ValueIndex> {
  const { buckets, group, step, update } = request;
  const state = new Set<ValueIndex>();
  for (const bucket of buckets) {
    const { name, type, storage } = bucket;
    const role = parameterRole(name);
    values.add({ type, layout: storage }, nameOf(role), { kind: 'stored', role }, 'persistent', {
      tensors: tensorsIn(bucket, role),
    });
  }
  for (const [origin, graph] of [['step', step] as const, ...(update ? [['update', update] as const] : [])]) {
    for (const { role, name, kind, value } of graph.inputs) {
      const placed = graph.values[value];
      if (placed.group !== group || kind === 'value') continue;
      const there = values.find(name);
      if (there !== null && !sameLayout(values.get(there).layout, placed.layout))
        throw storageDiffers({ name, step: values.get(there).layout, update: placed.layout });
      const bucket = bucketOfRole(buckets, role);
      const tensors = bucket ? tensorsIn(bucket, role) : null;
      const lifetime = kind === 'data' ? 'data' : 'persistent';
      const index = there ?? values.add(placed, name, { kind: 'stored', role }, lifetime, { tensors });
      known[origin].set(value, index);
      if (kind === 'parameter' || kind === 'state') state.add(index);
    }
  }
  for (const bucket of buckets) {
    if (isGathered(bucket)) continue;
    const tensors = tensorsIn(bucket, parameterRole(bucket.name));
    const parts = bucket.members.map((member, k) => {
      const [role, tensor] = [parameterRole(member.name), tensors[k]];
      return (
        values.find(tensor.name) ??
        values.add(tensor, tensor.name, { kind: 'stored', role }, 'persistent', {
          tensors: tensor.isPadding ? [tensor] : null,
        })
      );
    });
    parts.forEach((part) => state.add(part));
    values.fill(values.find(nameOf(parameterRole(bucket.name)))!, parts);
  }
  return state;
}

/** What the update makes. */
export interface Updates {
  /** What lies after the step where something else lay before it. */
  readonly after: readonly ContractEntry[];
  /** Outputs that replace nothing, by name. */
  readonly results: Readonly<Record<string, ValueIndex>>;
}

/**
 * Outputs of the update that replace a persistent value are written over it. Throws where something reads the old one later. `declare` makes
 * a persistent value of any other output.
 */
export function updateInPlace(
  { update, group }: ClassRequest,
  values: ClassValues,
  known: Known,
  declare: (output: PlacedId) => ValueIndex,
): Updates {
  const after: ContractEntry[] = [];
  const results: Record<string, ValueIndex> = {};
  const here = (update?.inputs ?? []).filter((input) => update!.values[input.value].group === group);
  const byRole = new Map(here.map((input) => [roleKey(input.role), input]));
  for (const { role, name, value } of update?.outputs ?? []) {
    const placed = update!.values[value];
    if (placed.group !== group) continue;
    const state = byRole.get(roleKey(role));
    if (!state || (state.kind !== 'parameter' && state.kind !== 'state')) {
      results[name] = declare(value);
      continue;
    }
    const at = known.update.get(state.value)!;
    if (value === state.value) continue;
    assertInPlace(update!, value, state.value, name);
    const holds = declareUpdated(values, at, role, placed);
    known.update.set(value, holds);
    const { parts } = values.get(at);
    if (!parts) {
      after.push({ at, holds });
      continue;
    }
    const updated = parts.map((part) => {
      const { global: type, layout, is } = values.get(part);
      const next = declareUpdated(values, part, is.kind === 'stored' ? is.role : role, { type, layout });
      after.push({ at: part, holds: next });
      return next;
    });
    values.fill(holds, updated);
  }
  return { after, results };
}

/** What holds before a step and after it. */
export function contractsOf(
  { table }: ClassValues,
  state: ReadonlySet<ValueIndex>,
  { after }: Updates,
): { readonly before: Contract; readonly after: Contract } {
  const before = table.flatMap((value, at): ContractEntry[] =>
    state.has(at) && !value.parts ? [{ at, holds: at }] : [],
  );
  const updated = new Map(after.map((entry) => [entry.at, entry]));
  return { before: { values: before }, after: { values: before.map((entry) => updated.get(entry.at) ?? entry) } };
}

/** What a persistent value is after the step, at its address. */
function declareUpdated(
  values: ClassValues,
  at: ValueIndex,
  role: Role,
  placed: Pick<PlacedValue, 'type' | 'layout'>,
): ValueIndex {
  const { name, view, type } = values.get(at);
  const strides = rowMajor(sizesOf(type));
  return values.add(placed, `new ${name}`, { kind: 'updated', role }, 'persistent', {
    view: { of: view?.of ?? at, offset: view?.offset ?? 0, strides, made: null },
  });
}

/** The new value may lie where the old one does if every reader of the old one comes no later than the op that makes the new. */
function assertInPlace(update: PlacedGraph, made: PlacedId, old: PlacedId, name: string): void {
  const at = update.steps.findIndex((step) => step.outputs.includes(made));
  const late = update.steps.find((step, i) => i > at && step.inputs.includes(old));
  if (late) throw updateNotInPlace({ name, reader: `${late.source.path} ${printLayout(update.values[old].layout)}` });
}
