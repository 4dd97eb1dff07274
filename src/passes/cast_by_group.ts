/**
 * A parameter that several groups read is cast by each of them from its own copy: the cast does not travel.
 *
 * After mixed precision, which casts a parameter once. A tied embedding would otherwise be sent from the first group to the last in every
 * microbatch, and be stored on the first alone.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, Node, ValueId } from '../ir/graph.js';
import { castTo, type OpRegistry } from '../ir/op.js';

/** `groupOf` gives the group that runs a segment. */
export function castByGroup(graph: Graph, registry: OpRegistry, groupOf: (segment: string) => number): Graph {
  const parameters = new Set(graph.inputs.filter(({ kind }) => kind === 'parameter').map(({ value }) => value));
  const isCast = (node: Node) => castTo(registry, node) !== null && parameters.has(node.inputs[0]);
  if (!graph.nodes.some((node) => isCast(node) && readingSegments(graph, node, groupOf).size > 1)) return graph;

  const builder = new GraphBuilder(registry, graph.name);
  const mapped = new Map<ValueId, ValueId>();
  /** Casts, by the group that makes them. */
  const casts = new Map<ValueId, ReadonlyMap<number, ValueId>>();
  const nodeIds = new Map<number, number>();
  for (const { role, value } of graph.inputs) {
    mapped.set(value, builder.take(role, graph.values[value].type).id);
  }
  for (const node of graph.nodes) {
    const group = groupOf(node.source.segment);
    const inputs = node.inputs.map((id) => casts.get(id)?.get(group) ?? mapped.get(id)!);
    const types = node.outputs.map((id) => graph.values[id].type);
    const from = node.from === null ? null : nodeIds.get(node.from)!;
    const put = (segment: string) =>
      builder.push({ ...node, inputs, from, source: { ...node.source, segment } }, types);
    const made = put(node.source.segment);
    nodeIds.set(node.id, made.id);
    node.outputs.forEach((id, i) => mapped.set(id, made.outputs[i]));
    if (!isCast(node)) continue;
    const elsewhere = [...readingSegments(graph, node, groupOf)].filter(([other]) => other !== group);
    casts.set(node.outputs[0], new Map(elsewhere.map(([other, segment]) => [other, put(segment).outputs[0]])));
  }
  for (const { role, value } of graph.outputs) builder.output(role, builder.tensor(mapped.get(value)!));
  return builder.build();
}

/** The groups that read a node's result, each by the segment of its first reader. */
function readingSegments(
  graph: Graph,
  { outputs: [result] }: Node,
  groupOf: (segment: string) => number,
): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const { inputs, source } of graph.nodes) {
    const group = groupOf(source.segment);
    if (inputs.includes(result) && !found.has(group)) found.set(group, source.segment);
  }
  return found;
}
