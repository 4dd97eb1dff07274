/**
 * Joins a contraction and the addition that alone reads it into one op: a linear layer's bias then costs no pass over memory.
 *
 * After partitioning, where it is known that the contraction is not left partial (the addend would be added once a rank). The addend must
 * have no factor that the contraction lacks, and fewer than it.
 */
import type { OpRegistry } from '../ir/op.js';
import { opNamed } from '../ir/op.js';
import type { TensorType } from '../ir/type.js';
import { makersOf, placedUses, type PlacedGraph, type PlacedId, type PlacedOp, type PlacedStep } from './placed.js';

/** `hasKernel`: whether the target runs an op by a kernel. */
export function fuseEinsumAdd(
  graph: PlacedGraph,
  registry: OpRegistry,
  hasKernel: (op: string) => boolean,
): PlacedGraph {
  const uses = placedUses(graph);
  const makers = makersOf(graph);
  const gone = new Set<PlacedStep>();
  const fused = new Map<PlacedStep, PlacedOp>();
  for (const step of graph.steps) {
    if (step.kind !== 'op' || !opNamed(registry, step.op).adds) continue;
    for (const side of [0, 1]) {
      const product = makers.get(step.inputs[side]);
      if (product?.kind !== 'op' || product.inputs.length !== 2) continue;
      const op = opNamed(registry, product.op).withAddend;
      if (op === undefined || !hasKernel(op)) continue;
      if (uses.get(product.outputs[0]) !== 1 || !joins(graph, product, step, side)) continue;
      const made = join(graph, registry, op, product, step, 1 - side);
      if (!made) continue;
      gone.add(product);
      fused.set(step, made);
      break;
    }
  }
  if (gone.size === 0) return graph;
  return { ...graph, steps: graph.steps.filter((step) => !gone.has(step)).map((step) => fused.get(step) ?? step) };
}

function joins(graph: PlacedGraph, product: PlacedOp, add: PlacedOp, side: number): boolean {
  const sum = product.rule.operands.flat().some((name) => !product.rule.results[0].includes(name));
  const same = product.source.segment === add.source.segment && product.source.phase === add.source.phase;
  const whole = Object.keys(graph.values[product.outputs[0]].layout.partial).length === 0;
  const order = add.rule.operands[side].join() === add.rule.results[0].join();
  const smaller =
    add.rule.operands[1 - side].length < add.rule.results[0].length && add.rule.operands[1 - side].length > 0;
  const dtype = graph.values[product.outputs[0]].type.dtype === graph.values[add.outputs[0]].type.dtype;
  return sum && same && whole && order && smaller && dtype && Object.keys(add.assignment.through).length === 0;
}

/** The fused step, of `op`: factors keep the contraction's names; the addend's follow by position of the sum's. */
function join(
  graph: PlacedGraph,
  registry: OpRegistry,
  op: string,
  product: PlacedOp,
  add: PlacedOp,
  other: number,
): PlacedOp | null {
  const byAdd = new Map(add.rule.results[0].map((name, k) => [name, product.rule.results[0][k]]));
  const addend = add.rule.operands[other].map((name) => byAdd.get(name)!);
  const inputs: readonly PlacedId[] = [...product.inputs, add.inputs[other]];
  const operands: readonly TensorType[] = inputs.map((id) => graph.values[id].type);
  const attributes = { to: product.rule.results[0] };
  const { rule, results } = opNamed(registry, op).bind({
    operands,
    names: [...product.rule.operands, addend],
    attributes,
  });
  if (results[0].dtype !== graph.values[add.outputs[0]].type.dtype) return null;
  const splits = Object.entries(product.assignment.splits).filter(([, split]) => split.axes.length > 0);
  if (splits.some(([name]) => rule.factors[name]?.whole)) return null;
  const assignment = { splits: Object.fromEntries(splits), through: {} };
  return { ...add, op, rule, attributes, assignment, inputs };
}
