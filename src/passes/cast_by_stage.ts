/**
 * A parameter that several pipeline stages read is cast by each of them from its own copy: the cast does not travel.
 *
 * After mixed precision, which casts a parameter once. A tied embedding would otherwise be sent from the first stage to the last in every
 * microbatch, and be stored on the first alone.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { Graph, Node, ValueId } from '../ir/graph.js';
import type { OpRegistry } from '../ir/op.js';

/** `stageOf` gives the pipeline stage of a segment. */
export function castByStage(graph: Graph, registry: OpRegistry, stageOf: (segment: string) => number): Graph {
  const parameters = new Set(graph.inputs.filter(({ kind }) => kind === 'parameter').map(({ value }) => value));
  const isCast = ({ op, inputs }: Node) => op === 'cast' && parameters.has(inputs[0]);
  if (!graph.nodes.some((node) => isCast(node) && readingSegments(graph, node, stageOf).size > 1)) return graph;

  const builder = new GraphBuilder(registry, graph.name);
  const mapped = new Map<ValueId, ValueId>();
  /** Casts, by the stage that makes them. */
  const casts = new Map<ValueId, ReadonlyMap<number, ValueId>>();
  const nodeIds = new Map<number, number>();
  for (const { name, kind, value } of graph.inputs) {
    mapped.set(value, builder.input(name, kind, graph.values[value].type).id);
  }
  for (const node of graph.nodes) {
    const stage = stageOf(node.source.segment);
    const inputs = node.inputs.map((id) => casts.get(id)?.get(stage) ?? mapped.get(id)!);
    const types = node.outputs.map((id) => graph.values[id].type);
    const from = node.from === null ? null : nodeIds.get(node.from)!;
    const put = (segment: string) =>
      builder.push({ ...node, inputs, from, source: { ...node.source, segment } }, types);
    const made = put(node.source.segment);
    nodeIds.set(node.id, made.id);
    node.outputs.forEach((id, i) => mapped.set(id, made.outputs[i]));
    if (!isCast(node)) continue;
    const elsewhere = [...readingSegments(graph, node, stageOf)].filter(([other]) => other !== stage);
    casts.set(node.outputs[0], new Map(elsewhere.map(([other, segment]) => [other, put(segment).outputs[0]])));
  }
  for (const { name, value } of graph.outputs) builder.output(name, builder.tensor(mapped.get(value)!));
  return builder.build();
}

/** The stages that read a node's result, each by the segment of its first reader. */
function readingSegments(
  graph: Graph,
  { outputs: [result] }: Node,
  stageOf: (segment: string) => number,
): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const { inputs, source } of graph.nodes) {
    const stage = stageOf(source.segment);
    if (inputs.includes(result) && !found.has(stage)) found.set(stage, source.segment);
  }
  return found;
}
