/**
 * The checker of meanings: does a placed graph compute what the graph does that it was made of? It knows nothing of how ops were
 * decomposed or fused: both sides are taken down to primitives (`decomposed_meaning.ts`), and moves change nothing.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { DecomposedMeanings } from '../ir/decomposed_meaning.js';
import type { Graph } from '../ir/graph.js';
import type { Meaning } from '../ir/meaning.js';
import type { OpRegistry } from '../ir/op.js';
import { nameOf, parameterRole, roleKey, roleWith } from '../ir/role.js';
import { sizesOf, type TensorType } from '../ir/type.js';
import * as diagnose from './diagnostics.js';
import { gradientsOf, type Bucket } from './buckets.js';
import { zeroNode } from './pack_gradients.js';
import type { PlacedGraph, PlacedStep } from './placed.js';

/** Every output of a placed graph that is not what the graph says; empty where they agree. A bucket is what lies in it. */
export function checkMeaning(
  graph: Graph,
  placed: PlacedGraph,
  registry: OpRegistry,
  buckets: readonly Bucket[] = [],
): readonly DiagnosticError[] {
  const meanings = new DecomposedMeanings(registry);
  const types = new Map(
    graph.inputs.map(({ role, kind, value }) => [roleKey(role), `${kind} ${typeText(graph.values[value].type)}`]),
  );
  const stored = buckets.filter(({ name }) => !types.has(roleKey(parameterRole(name))));
  for (const { name, type } of stored) types.set(roleKey(parameterRole(name)), `parameter ${typeText(type)}`);
  const faults = placed.inputs.flatMap(({ role, name, kind, value }) => {
    const is = `${kind} ${typeText(placed.values[value].type)}`;
    return types.get(roleKey(role)) === is ? [] : [diagnose.otherValue({ name, what: `it is taken as ${is}` })];
  });
  if (faults.length > 0) return faults;
  const values = meanings.valuesOf(graph, (role) => meanings.input(role));
  const found = placedMeanings(placed, meanings, stored);
  const given = new Map<string, number[]>();
  for (const { role, value } of placed.outputs) {
    const key = roleKey(role);
    const values = given.get(key);
    if (values) values.push(value);
    else given.set(key, [value]);
  }
  const wanted = new Map<string, Wanted>(
    graph.outputs.map(({ role, name, value }) => [
      roleKey(role),
      { key: roleKey(role), name, type: typeText(graph.values[value].type), meaning: values[value] },
    ]),
  );
  for (const [bucket, role] of stored.flatMap((one) => gradientsOf(one).map((its) => [one, its] as const))) {
    const key = roleKey(role);
    if (!given.has(key)) continue;
    const { gradient: dtype } = bucket;
    const tensors = bucket.members.map(({ name: member, type, isPadding }) => {
      const its = roleKey(roleWith(role, member));
      const one = wanted.get(its);
      wanted.delete(its);
      return isPadding ? meanings.results(zeroNode(registry, { ...type, dtype }), [], [], 1)[0] : one?.meaning;
    });
    wanted.set(key, {
      key,
      name: nameOf(role),
      type: typeText({ ...bucket.type, dtype }),
      // Of a member that the graph gives no gradient of, no value is.
      meaning: tensors.every((tensor) => tensor !== undefined) ? meanings.bucket(tensors) : undefined,
    });
  }
  return [...wanted.values()].flatMap(({ key, name, type, meaning }) => {
    const outputs = given.get(key);
    if (!outputs) return [diagnose.otherValue({ name, what: 'nothing gives it' })];
    return outputs.flatMap((id) => {
      const is = typeText(placed.values[id].type);
      if (is !== type) return [diagnose.otherValue({ name, what: `it is given as ${is}, not ${type}` })];
      return found[id] === meaning ? [] : [diagnose.otherValue({ name, what: 'another value is given' })];
    });
  });
}

/** What is to be given in a role; undefined: nothing that there is. */
interface Wanted {
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly meaning: Meaning | undefined;
}

/** What each value of a placed graph means, by its id. `buckets`: those whose members the graph knows. */
export function placedMeanings(
  placed: PlacedGraph,
  meanings: DecomposedMeanings,
  buckets: readonly Bucket[],
): readonly Meaning[] {
  const of: Meaning[] = [];
  // All groups' records of a bucket have the same members.
  const byName = new Map(buckets.map((bucket) => [bucket.name, bucket]));
  for (const { role, value } of placed.inputs) {
    const bucket = role.kind === 'parameter' ? byName.get(role.of) : undefined;
    of[value] = bucket
      ? meanings.bucket(bucket.members.map((member) => meanings.input(parameterRole(member.name))))
      : meanings.input(role);
  }
  for (const step of placed.steps) {
    const operands = step.inputs.map((id) => of[id]);
    const types = step.inputs.map((id) => placed.values[id].type);
    const made = meaningsOf(step, operands, types);
    step.outputs.forEach((id, k) => (of[id] = made[k]));
  }
  return of;

  function meaningsOf(step: PlacedStep, operands: readonly Meaning[], types: readonly TensorType[]) {
    switch (step.kind) {
      case 'op':
        return meanings.results(step, operands, types, step.outputs.length);
      case 'pack':
        return [meanings.bucket(operands)];
      case 'unpack':
        return step.outputs.map((_, k) => meanings.part(operands[0], k));
      case 'move':
      case 'transfer':
        return [operands[0]];
    }
  }
}

const typeText = (type: TensorType): string => `${type.dtype} ${sizesOf(type).join(' × ') || 'scalar'}`;
