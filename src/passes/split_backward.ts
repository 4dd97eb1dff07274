/**
 * The backward of a chunk in two: what others wait for, and the gradients of weights, which nobody does.
 *
 * A node is of the second kind (`weight`) where no other segment waits for what it makes, but one of its own chunk that adds it to a
 * gradient: so each segment is cut alike, whichever chunk it is in. A fused backward that gives both stays with the first. Weight nodes go
 * last in the graph: what they ask for is made for them.
 */
import type { Graph, Node } from '../ir/graph.js';
import { GraphCopy } from './graph_copy.js';
import { sumsInto } from './sums.js';

/** `chunkOf`: the chunk of a segment; `split`: the chunks whose backward is to be cut. */
export function splitBackward(graph: Graph, chunkOf: (segment: string) => number, split: ReadonlySet<number>): Graph {
  if (split.size === 0) return graph;
  const waited = waitedFor(graph, chunkOf);
  const isWeight = ({ id, source }: Node) =>
    source.phase === 'backward' && split.has(chunkOf(source.segment)) && !waited.has(id);
  if (!graph.nodes.some(isWeight)) return graph;

  const copy = new GraphCopy(graph);
  for (const node of graph.nodes) if (!isWeight(node)) copy.put(node);
  for (const node of graph.nodes) if (isWeight(node)) copy.put(node, { source: { ...node.source, phase: 'weight' } });
  return copy.build();
}

/**
 * The nodes for which another segment waits, by way of any others. What only adds up to an output of the graph is waited for by nobody,
 * unless another chunk adds: its weight slot need not come after this one's.
 */
function waitedFor(graph: Graph, chunkOf: (segment: string) => number): ReadonlySet<number> {
  const sums = sumsInto(
    graph,
    graph.outputs.map(({ value }) => value),
  );
  const waited = new Set<number>();
  for (const node of [...graph.nodes].reverse()) {
    const { segment } = node.source;
    for (const input of node.inputs) {
      const { node: maker } = graph.values[input];
      if (!maker) continue;
      const adds =
        sums.has(input) &&
        node.outputs.some((id) => sums.has(id)) &&
        chunkOf(maker.source.segment) === chunkOf(segment);
      const across = maker.source.segment !== segment;
      if (waited.has(node.id) || (across && !adds)) waited.add(maker.id);
    }
  }
  return waited;
}
