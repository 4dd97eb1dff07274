/**
 * Drops nodes that no output needs. Runs after autodiff, which makes every cotangent that an op offers.
 *
 * Inputs stay, read or not: they are the graph's signature. A backward node whose forward node is gone inherits from none.
 */
import type { Graph, Node, Value, ValueId } from '../ir/graph.js';

export function eliminateDeadCode(graph: Graph): Graph {
  const live = new Set(graph.outputs.map((output) => output.value));
  const kept = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some((id) => live.has(id))) return false;
    for (const id of node.inputs) live.add(id);
    return true;
  });
  kept.reverse();

  const valueIds = new Map<ValueId, ValueId>();
  const nodeIds = new Map(kept.map((node, i) => [node.id, i]));
  const keptValues = new Set([...graph.inputs.map((i) => i.value), ...kept.flatMap((node) => node.outputs)]);
  for (const { id } of graph.values) if (keptValues.has(id)) valueIds.set(id, valueIds.size as ValueId);
  const moved = (id: ValueId) => valueIds.get(id)!;

  const nodes = kept.map((node, i): Node => ({
    ...node,
    id: i,
    inputs: node.inputs.map(moved),
    outputs: node.outputs.map(moved),
    from: node.from === null ? null : (nodeIds.get(node.from) ?? null),
  }));
  const values = graph.values
    .filter(({ id }) => keptValues.has(id))
    .map(({ id, type, node }): Value => ({ id: moved(id), type, node: node && nodes[nodeIds.get(node.id)!] }));
  return {
    name: graph.name,
    inputs: graph.inputs.map((input) => ({ ...input, value: moved(input.value) })),
    nodes,
    outputs: graph.outputs.map((output) => ({ ...output, value: moved(output.value) })),
    values,
  };
}
