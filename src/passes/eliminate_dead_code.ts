/**
 * Drops nodes that no output needs. Runs after autodiff, which makes every cotangent that an op offers.
 *
 * Inputs stay, read or not: they are the graph's signature. A backward node whose forward node is gone inherits from none.
 */
import type { Graph, Node, Value, ValueId } from '../ir/graph.js';

export function eliminateDeadCode(graph: Graph): Graph {
  const kept = liveNodes(graph);
  if (kept.length === graph.nodes.length) return graph;

  const nodeIds = new Map<number, number>();
  for (const { id } of kept) nodeIds.set(id, nodeIds.size);
  const keptValues = graph.values.filter(({ node }) => node === null || nodeIds.has(node.id));
  const valueIds = new Array<ValueId>(graph.values.length);
  keptValues.forEach(({ id }, i) => (valueIds[id] = i as ValueId));

  const movedTo = (id: ValueId): ValueId => valueIds[id];
  const moved = <T extends { readonly value: ValueId }>(one: T): T => ({ ...one, value: movedTo(one.value) });
  const nodes = kept.map((node, id): Node => {
    const { op, inputs, outputs, attributes, rule, source } = node;
    const from = node.from === null ? null : (nodeIds.get(node.from) ?? null);
    return { id, op, inputs: inputs.map(movedTo), outputs: outputs.map(movedTo), attributes, rule, source, from };
  });
  const values = keptValues.map(({ type, node }, i): Value => ({
    id: i as ValueId,
    type,
    node: node && nodes[nodeIds.get(node.id)!],
  }));
  return { name: graph.name, inputs: graph.inputs.map(moved), nodes, outputs: graph.outputs.map(moved), values };
}

/** The nodes that outputs need, in order. */
function liveNodes({ nodes, outputs }: Graph): readonly Node[] {
  const live = new Set(outputs.map(({ value }) => value));
  const found: Node[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!nodes[i].outputs.some((id) => live.has(id))) continue;
    found.push(nodes[i]);
    for (const id of nodes[i].inputs) live.add(id);
  }
  return found.reverse();
}
