/**
 * A parameter that several groups read is cast by each of them from its own copy: the cast does not travel.
 *
 * After mixed precision, which casts a parameter once. A tied embedding would otherwise be sent from the first group to the last in every
 * microbatch, and be stored on the first alone.
 */
import { readersOf, type Graph, type Node, type ValueId } from '../ir/graph.js';
import { castTo, type OpRegistry } from '../ir/op.js';
import { GraphCopy } from './graph_copy.js';

/** `groupOf` gives the group that runs a segment. */
export function castByGroup(graph: Graph, registry: OpRegistry, groupOf: (segment: string) => number): Graph {
  const parameters = new Set(graph.inputs.filter(({ kind }) => kind === 'parameter').map(({ value }) => value));
  const readers = readersOf(graph);
  /** Casts of parameters → the groups that read them, each by the segment of its first reader. */
  const read = new Map<Node, ReadonlyMap<number, string>>();
  for (const node of graph.nodes) {
    if (!parameters.has(node.inputs[0]) || castTo(registry, node) === null) continue;
    read.set(node, readingSegments(readers(node.outputs[0]), groupOf));
  }
  if (![...read.values()].some((segments) => segments.size > 1)) return graph;

  const copy = new GraphCopy(graph);
  /** Casts, by the group that makes them. */
  const casts = new Map<ValueId, ReadonlyMap<number, ValueId>>();
  for (const node of graph.nodes) {
    const group = groupOf(node.source.segment);
    const inputs = copy.idsOf(node.inputs).map((id, i) => casts.get(node.inputs[i])?.get(group) ?? id);
    copy.put(node, { inputs });
    const segments = read.get(node);
    if (!segments) continue;
    const put = (segment: string) => copy.again(node, { inputs, source: { ...node.source, segment } }).outputs[0];
    const elsewhere = [...segments].filter(([other]) => other !== group);
    casts.set(node.outputs[0], new Map(elsewhere.map(([other, segment]) => [other, put(segment)])));
  }
  return copy.build();
}

/** The groups of readers, each by the segment of its first. */
function readingSegments(readers: readonly Node[], groupOf: (segment: string) => number): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const { source } of readers) {
    const group = groupOf(source.segment);
    if (!found.has(group)) found.set(group, source.segment);
  }
  return found;
}
