/** Which values only add up to others: contributions to a gradient, read off the rules. */
import type { Graph, Node, ValueId } from '../ir/graph.js';

/**
 * The given values, and every value that reaches one of them through sums alone: ops that are jointly linear in all their operands, each
 * of which has the result's factors, and those that `isOfAddends` says are done to each addend by itself. Whatever is done to the sum (a
 * reduction, a wider type) may be left to the end.
 */
export function sumsInto(
  graph: Graph,
  values: Iterable<ValueId>,
  isOfAddends: (node: Node) => boolean = () => false,
): ReadonlySet<ValueId> {
  const found = new Set(values);
  for (const node of [...graph.nodes].reverse()) {
    const { linear, operands, results } = node.rule;
    const adds = isOfAddends(node) || linear.some((set) => set.length === node.inputs.length && set.length > 1);
    if (!adds || !node.outputs.some((id) => found.has(id)) || operands.some((o) => o.join() !== results[0].join()))
      continue;
    node.inputs.forEach((id) => found.add(id));
  }
  return found;
}
