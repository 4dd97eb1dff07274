/**
 * The checker of meanings: does a placed graph compute what the graph does that it was made of? It knows nothing of how ops were
 * decomposed or fused: both sides are taken down to primitives (`decomposed_meaning.ts`), and moves change nothing.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { DecomposedMeanings } from '../ir/decomposed_meaning.js';
import type { Graph } from '../ir/graph.js';
import type { Meaning } from '../ir/meaning.js';
import type { OpRegistry } from '../ir/op.js';
import { sizesOf, type TensorType } from '../ir/type.js';
import * as diagnose from './diagnostics.js';
import type { PlacedGraph } from './placed.js';

/** Every output of a placed graph that is not what the graph says; empty where they agree. */
export function checkMeaning(graph: Graph, placed: PlacedGraph, registry: OpRegistry): readonly DiagnosticError[] {
  const meanings = new DecomposedMeanings(registry);
  const types = new Map(
    graph.inputs.map(({ name, kind, value }) => [name, `${kind} ${typeText(graph.values[value].type)}`]),
  );
  const faults = placed.inputs.flatMap(({ name, kind, value }) => {
    const is = `${kind} ${typeText(placed.values[value].type)}`;
    return types.get(name) === is ? [] : [diagnose.otherValue({ name, what: `it is taken as ${is}` })];
  });
  if (faults.length > 0) return faults;
  const values = meanings.valuesOf(graph, (name) => meanings.input(name));
  const found = valuesOf(placed, meanings);
  const given = new Map<string, number[]>();
  for (const { name, value } of placed.outputs) given.set(name, [...(given.get(name) ?? []), value]);
  return graph.outputs.flatMap(({ name, value }) => {
    const outputs = given.get(name);
    if (!outputs) return [diagnose.otherValue({ name, what: 'nothing gives it' })];
    const type = typeText(graph.values[value].type);
    return outputs.flatMap((id) => {
      const is = typeText(placed.values[id].type);
      if (is !== type) return [diagnose.otherValue({ name, what: `it is given as ${is}, not ${type}` })];
      return found[id] === values[value] ? [] : [diagnose.otherValue({ name, what: 'another value is given' })];
    });
  });
}

function valuesOf(placed: PlacedGraph, meanings: DecomposedMeanings): readonly Meaning[] {
  const of: Meaning[] = [];
  for (const { name, value } of placed.inputs) of[value] = meanings.input(name);
  for (const step of placed.steps) {
    const operands = step.inputs.map((id) => of[id]);
    const types = step.inputs.map((id) => placed.values[id].type);
    const results = step.kind === 'op' ? meanings.results(step, operands, types, step.outputs.length) : [operands[0]];
    step.outputs.forEach((id, k) => (of[id] = results[k]));
  }
  return of;
}

const typeText = (type: TensorType): string => `${type.dtype} ${sizesOf(type).join(' × ') || 'scalar'}`;
