/** One launch of an op on local blocks, as reference kernels take it. */
import type { DType } from '../ir/dtype.js';
import type { Graph, Node } from '../ir/graph.js';
import type { ReferenceCall, Sizes } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import type { FactorName } from '../ir/type.js';

export interface ReferenceLaunch extends ReferenceCall {
  readonly op: string;
  readonly operandTypes: readonly DType[];
  readonly resultTypes: readonly DType[];
}

/** What a launch is apart from the numbers that it is given. */
export type LaunchForm = Omit<ReferenceLaunch, 'inputs'>;

/** The launch of a node on whole values. */
export const launchOf = (graph: Graph, node: Node, values: readonly Float64Array[]): ReferenceLaunch => ({
  ...formOf(graph, node, globalSizes(node.rule), {}),
  inputs: node.inputs.map((id) => values[id]),
});

/** A node of a graph on blocks of these sizes, which begin there. */
export const formOf = (
  graph: Graph,
  { op, rule, attributes, inputs, outputs }: Node,
  sizes: Sizes,
  origins: Sizes,
): LaunchForm => ({
  op,
  rule,
  attributes,
  sizes,
  origins,
  operandTypes: inputs.map((id) => graph.values[id].type.dtype),
  resultTypes: outputs.map((id) => graph.values[id].type.dtype),
});

export const globalSizes = (rule: OpRule): Sizes =>
  Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, size]));

/** Keeps the elements of a factor that an op meets. Throws where it meets it with others. */
export function noteSize(op: string, sizes: Record<FactorName, number>, name: FactorName, size: number): void {
  if ((sizes[name] ??= size) !== size)
    throw new RangeError(`${op} meets '${name}' with ${sizes[name]} and with ${size} elements`);
}
