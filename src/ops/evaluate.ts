/**
 * Evaluates graphs on one device, on plain arrays: the meaning of every op, and the serial side of every comparison.
 *
 * Elements are f64 numbers, rounded to the value's element type at every result. A fused op is evaluated through its decomposition.
 */
import type { Graph } from '../ir/graph.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { elementsOf } from '../ir/type.js';
import { Decompositions, launchesOn, type Decomposition } from './decompositions.js';
import { ops } from './index.js';
import { launchOf, type ReferenceLaunch } from './launch.js';
import { roundTo } from './round.js';

export interface Evaluation {
  /** Graph outputs by name. */
  readonly outputs: Readonly<Record<string, Float64Array>>;
  /** Every value by id. */
  readonly values: readonly Float64Array[];
}

/**
 * Runs launches. A fused op runs as its decomposition on the blocks it is given, which is its meaning only where no factor that it needs
 * whole is split. Decompositions are traced once for each op, types and attributes.
 */
export type ReferenceKernels = (launch: ReferenceLaunch) => readonly Float64Array[];

export function referenceKernels(registry: OpRegistry = ops): ReferenceKernels {
  const decompositions = new Decompositions(registry);
  return function run(launch) {
    const definition = opNamed(registry, launch.op);
    const results = definition.reference
      ? definition.reference(launch)
      : runDecomposition(decompositions.of(definition, launch), launch, run);
    return results.map((values, i) => roundTo(launch.resultTypes[i], values));
  };
}

/** Evaluates a graph of global shapes. `inputs` by name, row-major, of the sizes of their types. */
export function evaluate(
  graph: Graph,
  inputs: Readonly<Record<string, Float64Array>>,
  kernels: ReferenceKernels = referenceKernels(),
): Evaluation {
  const values: Float64Array[] = [];
  for (const { name, value } of graph.inputs) {
    const { type } = graph.values[value];
    const given = inputs[name];
    if (given?.length !== elementsOf(type)) {
      throw new Error(`input '${name}' has ${given?.length ?? 'no'} elements, its type ${elementsOf(type)}`);
    }
    values[value] = roundTo(type.dtype, given.slice());
  }
  for (const node of graph.nodes) {
    const results = kernels(launchOf(graph, node, values));
    node.outputs.forEach((id, i) => (values[id] = results[i]));
  }
  const outputs = Object.fromEntries(graph.outputs.map(({ name, value }) => [name, values[value]]));
  return { outputs, values };
}

/** A fused op on blocks: its decomposition at global sizes, each node on its part of them. */
function runDecomposition(
  decomposition: Decomposition,
  launch: ReferenceLaunch,
  run: ReferenceKernels,
): readonly Float64Array[] {
  const { graph, results } = decomposition;
  const values: Float64Array[] = [];
  graph.inputs.forEach(({ value }, i) => (values[value] = launch.inputs[i]));
  for (const { node, form } of launchesOn(decomposition, launch)) {
    const made = run({ ...form, inputs: node.inputs.map((id) => values[id]) });
    node.outputs.forEach((id, i) => (values[id] = made[i]));
  }
  return results.map((id) => values[id]);
}
