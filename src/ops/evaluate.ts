/**
 * Evaluates graphs on one device, on plain arrays: the meaning of every op, and the serial side of every comparison.
 *
 * Elements are f64 numbers, rounded to the value's element type at every result. A fused op is evaluated through its decomposition.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Attributes, Graph, Node } from '../ir/graph.js';
import {
  opNamed,
  slotNames,
  withGiven,
  type OpDefinition,
  type OpRegistry,
  type ReferenceCall,
  type Sizes,
} from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import { elementsOf, type FactorName, type TensorType } from '../ir/type.js';
import { ops } from './index.js';
import { roundTo } from './round.js';

export interface Evaluation {
  /** Graph outputs by name. */
  readonly outputs: Readonly<Record<string, Float64Array>>;
  /** Every value by id. */
  readonly values: readonly Float64Array[];
}

/** One launch of an op on local blocks. */
export interface ReferenceLaunch {
  readonly op: string;
  readonly rule: OpRule;
  readonly attributes: Attributes;
  /** Local size of each factor of the rule. */
  readonly sizes: Sizes;
  /** Global start of the local block, for the rule's `origins`. */
  readonly origins: Sizes;
  readonly operandTypes: readonly DType[];
  readonly resultTypes: readonly DType[];
  /** Row-major blocks, in the rule's order of factors. */
  readonly inputs: readonly Float64Array[];
}

/**
 * Runs launches. A fused op runs as its decomposition on the blocks it is given, which is its meaning only where no factor that it needs
 * whole is split. Decompositions are traced once for each op, types and attributes.
 */
export type ReferenceKernels = (launch: ReferenceLaunch) => readonly Float64Array[];

export function referenceKernels(registry: OpRegistry = ops): ReferenceKernels {
  const traced = new Map<string, Graph>();
  return function run(launch) {
    const definition = opNamed(registry, launch.op);
    const results = definition.reference
      ? definition.reference(launch satisfies ReferenceCall)
      : runDecomposition(definition, launch, registry, traced, run);
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

/** The launch of a node on whole values. */
export function launchOf(graph: Graph, node: Node, values: readonly Float64Array[]): ReferenceLaunch {
  return {
    op: node.op,
    rule: node.rule,
    attributes: node.attributes,
    sizes: globalSizes(node.rule),
    origins: {},
    operandTypes: node.inputs.map((id) => graph.values[id].type.dtype),
    resultTypes: node.outputs.map((id) => graph.values[id].type.dtype),
    inputs: node.inputs.map((id) => values[id]),
  };
}

export const globalSizes = (rule: OpRule): Sizes =>
  Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]));

/**
 * An op's decomposition as a graph of its own, for operands of these types under these names: inputs are named as the op's operands,
 * outputs as its results.
 */
export function decompositionOf(
  definition: OpDefinition,
  registry: OpRegistry,
  operands: readonly TensorType[],
  names: readonly (readonly FactorName[])[],
  attributes: Attributes,
): Graph {
  if (!definition.decompose) throw new Error(`${definition.name} is a primitive: it has no decomposition`);
  const builder = new GraphBuilder(registry, definition.name);
  const slots = slotNames(withGiven(definition, attributes).operands, operands.length);
  const tensors = slots.map((slot, i) => builder.input(slot, 'value', operands[i]).as(names[i]));
  const results = definition.decompose(Object.fromEntries(slots.map((slot, i) => [slot, tensors[i]])), attributes);
  for (const [name, tensor] of Object.entries(results)) builder.output(name, tensor);
  return builder.build();
}

/** A fused op on blocks: its decomposition at global sizes, each node on its part of them. */
function runDecomposition(
  definition: OpDefinition,
  launch: ReferenceLaunch,
  registry: OpRegistry,
  traced: Map<string, Graph>,
  run: ReferenceKernels,
): readonly Float64Array[] {
  const { rule, attributes } = launch;
  const operands = rule.operands.map((names, i): TensorType => ({
    dtype: launch.operandTypes[i],
    dims: names.map((name) => [{ name, size: rule.factors[name].size }]),
  }));
  const key = JSON.stringify([definition.name, operands, rule.letters, attributes]);
  let graph = traced.get(key);
  if (!graph) {
    // The rule knows what the letters bind to; operands alone might not.
    const letters = Object.entries(rule.letters).map(([letter, names]) => `${letter}=${names.join(' ')}`);
    graph = decompositionOf(definition, registry, operands, rule.operands, { ...attributes, letters });
    traced.set(key, graph);
  }
  const blocks: Block[] = [];
  graph.inputs.forEach(({ value }, i) => {
    const part = rule.operands[i].map((name) => partOf(launch, name));
    blocks[value] = { elements: launch.inputs[i], part };
  });
  for (const node of graph.nodes) {
    const local = localLaunch(graph, node, blocks, launch);
    run(local).forEach((elements, i) => {
      const part = node.rule.results[i].map((name) => partOf(local, name));
      blocks[node.outputs[i]] = { elements, part };
    });
  }
  const outputs = new Map(graph.outputs.map(({ name, value }) => [name, blocks[value].elements]));
  return slotNames(withGiven(definition, attributes).results, rule.results.length).map((name) => outputs.get(name)!);
}

/** Keeps the elements of a factor that an op meets. Throws where it meets it with others. */
export function noteSize(op: string, sizes: Record<FactorName, number>, name: FactorName, size: number): void {
  if ((sizes[name] ??= size) !== size)
    throw new RangeError(`${op} meets '${name}' with ${sizes[name]} and with ${size} elements`);
}

/** What a rank holds of a value: its elements, and of each factor how much from where on. */
interface Block {
  readonly elements: Float64Array;
  readonly part: readonly Part[];
}

interface Part {
  readonly size: number;
  readonly origin: number;
}

const partOf = ({ sizes, origins }: Pick<ReferenceLaunch, 'sizes' | 'origins'>, name: FactorName): Part => ({
  size: sizes[name],
  origin: origins[name] ?? 0,
});

/**
 * A node of a decomposition on the blocks of its operands. A factor that it makes itself, positions or random numbers, is a factor of the
 * op where it has its name; else it is whole.
 */
function localLaunch(graph: Graph, node: Node, blocks: readonly Block[], of: ReferenceLaunch): ReferenceLaunch {
  const sizes: Record<FactorName, number> = {};
  const origins: Record<FactorName, number> = {};
  const keep = (name: FactorName, part: Part) => {
    noteSize(node.op, sizes, name, part.size);
    origins[name] = part.origin;
  };
  node.inputs.forEach((id, i) => node.rule.operands[i].forEach((name, k) => keep(name, blocks[id].part[k])));
  for (const [name, { size }] of Object.entries(node.rule.factors))
    if (!(name in sizes)) keep(name, name in of.rule.factors ? partOf(of, name) : { size, origin: 0 });
  return { ...launchOf(graph, node, []), sizes, origins, inputs: node.inputs.map((id) => blocks[id].elements) };
}
