/**
 * Reverse-mode differentiation: appends to a graph under construction the nodes that compute gradients of its values.
 *
 * It walks nodes backwards and asks each op for the cotangents of its operands. Handles carry the names of the node's rule, so that a
 * backward node has its forward node's factor names and can inherit its assignment (`from`). Contributions to one value are added in
 * the order in which the walk meets them: readers last to first, segment by segment; the sums belong to the value, not to a forward
 * node, so they inherit nothing.
 */
import type { GraphBuilder } from '../ir/builder.js';
import { noGradient, residualRead } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import type { Node, ValueId } from '../ir/graph.js';
import { cotangentName, opOf, slotNames } from '../ir/op.js';
import { Tensor } from '../ir/tensor.js';

/** A value and the cotangent that flows into it from outside. */
export interface Seed {
  readonly value: Tensor;
  readonly cotangent: Tensor;
}

/**
 * The gradients of Σ ⟨value, cotangent⟩ over the seeds with respect to `wrt`; null where nothing flows. Each has the names and factor
 * order of the tensor it belongs to, and its element type.
 */
export function gradients(
  builder: GraphBuilder,
  seeds: readonly Seed[],
  wrt: readonly Tensor[],
): readonly (Tensor | null)[] {
  const nodes = [...builder.nodesSoFar()];
  const needed = valuesThatNeedGradients(builder, nodes, wrt);
  const contributions = new Map<ValueId, Tensor[]>();
  const contribute = (id: ValueId, cotangent: Tensor) => {
    const list = contributions.get(id);
    if (list) list.push(cotangent);
    else contributions.set(id, [cotangent]);
  };
  const cotangentAt = (id: ValueId): Tensor | null => {
    const list = contributions.get(id);
    if (!list) return null;
    const sum = addAll(builder, id, list);
    contributions.set(id, [sum]);
    return sum;
  };
  for (const { value, cotangent } of seeds) if (needed.has(value.id)) contribute(value.id, cotangent);

  for (const node of nodes.reverse()) {
    if (!node.outputs.some((id) => contributions.has(id)) || !node.inputs.some((id) => needed.has(id))) continue;
    const definition = opOf(builder.registry, node);
    const operands = slotNames(definition.operands, node.inputs.length);
    const results = slotNames(definition.results, node.outputs.length);
    const tensors: Record<string, Tensor> = {};
    operands.forEach((name, i) => (tensors[name] = new Tensor(builder, node.inputs[i], node.rule.operands[i])));
    results.forEach((name, i) => {
      const [id, names] = [node.outputs[i], node.rule.results[i]];
      tensors[name] = new Tensor(builder, id, names);
      const cotangent = cotangentAt(id);
      if (!cotangent) return;
      if (definition.residuals?.includes(name)) {
        throw residualRead({ op: node.op, residual: name, reader: 'a gradient', path: node.source.path });
      }
      tensors[cotangentName(name)] = cotangent.as(names);
    });
    const { backward } = definition;
    if (!backward) throw noGradient({ op: node.op, path: node.source.path });
    const made = builder.at({ ...node.source, phase: 'backward' }, () => backward(tensors, node.attributes), node.id);
    operands.forEach((name, i) => {
      const cotangent = made[cotangentName(name)];
      if (cotangent && needed.has(node.inputs[i])) contribute(node.inputs[i], cotangent);
    });
  }
  return wrt.map((tensor) => cotangentAt(tensor.id)?.as(tensor.names) ?? null);
}

/** Float values that depend on one of `wrt`. */
function valuesThatNeedGradients(
  builder: GraphBuilder,
  nodes: readonly Node[],
  wrt: readonly Tensor[],
): ReadonlySet<ValueId> {
  const needed = new Set(wrt.map((tensor) => tensor.id));
  for (const node of nodes) {
    if (!node.inputs.some((id) => needed.has(id))) continue;
    for (const id of node.outputs) if (isFloat(builder.typeOf(id).dtype)) needed.add(id);
  }
  return needed;
}

/**
 * The sum of the contributions to one value. Those of one segment are added in it, so that one tensor crosses each cut between
 * segments; what comes from several is added where the walk meets the last of them, which every other has gone before.
 */
function addAll(builder: GraphBuilder, id: ValueId, list: readonly Tensor[]): Tensor {
  const { names } = builder.tensor(id);
  const segmentOf = (tensor: Tensor) => builder.valueAt(tensor.id).node?.source.segment ?? '';
  const path = builder.valueAt(id).node?.source.path;
  const runs: { readonly segment: string; sum: Tensor }[] = [];
  const add = (segment: string, a: Tensor, b: Tensor) =>
    builder.at({ ...(path === undefined ? {} : { path }), phase: 'backward', segment }, () => a.add(b), null);
  for (const tensor of list.map((contribution) => contribution.as(names))) {
    const last = runs.at(-1);
    const segment = segmentOf(tensor);
    if (last?.segment === segment) last.sum = add(segment, last.sum, tensor);
    else runs.push({ segment, sum: tensor });
  }
  return runs.slice(1).reduce((sum, run) => add(run.segment, sum, run.sum), runs[0].sum);
}
