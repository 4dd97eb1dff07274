/** Edits of placed graphs at every place that fits. */
import { GraphBuilder } from '../../../src/ir/builder.js';
import { splitsEvenly, type Layout } from '../../../src/ir/layout.js';
import { axesSize, type AxisName } from '../../../src/ir/mesh.js';
import { namesOf } from '../../../src/ir/type.js';
import { ops } from '../../../src/ops/index.js';
import type {
  PlacedGraph,
  PlacedId,
  PlacedMove,
  PlacedOp,
  PlacedPack,
  PlacedStep,
} from '../../../src/partition/placed.js';
import { replaceStep, reread, restate } from '../../../bench/mutants/placed/edit.js';

/** Ranks of a step's group along some axes, of those that it has. */
export const ranksAlong = ({ meshes }: PlacedGraph, { group }: PlacedStep, axes: readonly AxisName[]): number =>
  axesSize(
    meshes[group],
    axes.filter((axis) => meshes[group].axes.some(({ name }) => name === axis)),
  );

export const isMove = (step: PlacedStep): step is PlacedMove => step.kind === 'move';
export const isOp = (step: PlacedStep): step is PlacedOp => step.kind === 'op';
export const isPack = (step: PlacedStep): step is PlacedPack => step.kind === 'pack';

/** Whether a move sums over one of some axes. */
export const sumsOver = (step: PlacedStep, axes: readonly AxisName[]): step is PlacedMove =>
  isMove(step) &&
  (step.move.kind === 'all_reduce' || step.move.kind === 'reduce_scatter') &&
  step.move.axes.some((axis) => axes.includes(axis));

/** The step that makes a value. */
export const makerOf = ({ steps }: PlacedGraph, id: PlacedId): PlacedStep | undefined =>
  steps.find(({ outputs }) => (outputs as readonly PlacedId[]).includes(id));

/** Applies a change at each step that fits, of the graph as it was. */
export const atEach = (
  graph: PlacedGraph,
  fits: (step: PlacedStep) => boolean,
  change: (graph: PlacedGraph, at: number, step: PlacedStep) => PlacedGraph,
): PlacedGraph =>
  graph.steps.filter(fits).reduce((changed, step) => {
    const at = changed.steps.findIndex(({ outputs }) => outputs[0] === step.outputs[0]);
    return at < 0 ? changed : change(changed, at, changed.steps[at]);
  }, graph);

/** What a move sums over these axes it does not sum, where it is one: each rank goes on with its own part as if it were all. */
export function unsummed(graph: PlacedGraph, at: number, step: PlacedStep, axes: readonly AxisName[]): PlacedGraph {
  if (!sumsOver(step, axes)) return graph;
  const { move } = step;
  const partial = (layout: Layout): Layout => ({
    ...layout,
    partial: Object.fromEntries(Object.entries(layout.partial).filter(([axis]) => !axes.includes(axis))),
  });
  const rest = move.axes.filter((axis) => !axes.includes(axis));
  const from = partial(move.from);
  const restated = restate(graph, step.inputs[0], from);
  // A part of its own part: what the others have of it is not there.
  if (move.kind === 'reduce_scatter')
    return rest.length > 0
      ? graph
      : replaceStep(restated, at, { ...step, move: { ...move, kind: 'slice', from, reduction: undefined } });
  if (rest.length > 0) return replaceStep(restated, at, { ...step, move: { ...move, axes: rest, from } });
  return reread(replaceStep(restated, at), step.outputs[0], step.inputs[0]);
}

/** A value like another, of a name that no other has. */
export function withCopy(graph: PlacedGraph, id: PlacedId): { readonly graph: PlacedGraph; readonly copy: PlacedId } {
  const copy = graph.values.length;
  const value = { ...graph.values[id], id: copy, name: `${graph.values[id].name} planted ${copy}` };
  return { graph: { ...graph, values: [...graph.values, value] }, copy };
}

/** All who read a value, behind its maker, read it multiplied. */
export function scaled(graph: PlacedGraph, id: PlacedId, by: number): PlacedGraph {
  if (by === 1) return graph;
  const at = graph.steps.findIndex(({ outputs }) => (outputs as readonly PlacedId[]).includes(id));
  const { type, layout, group } = graph.values[id];
  const builder = new GraphBuilder(ops, 'scaled');
  builder.output('y', builder.input('x', 'value', type).mul(by));
  const [node] = builder.build().nodes;
  const names = namesOf(type);
  const splits = Object.fromEntries(
    Object.entries(layout.splits).map(([factor, split]) => [node.rule.operands[0][names.indexOf(factor)], split]),
  );
  const through = Object.fromEntries(Object.keys(layout.partial).map((axis) => [axis, 0]));
  const { graph: wider, copy } = withCopy(graph, id);
  const source = graph.steps[Math.max(at, 0)].source;
  const step: PlacedOp = {
    kind: 'op',
    op: node.op,
    rule: node.rule,
    attributes: node.attributes,
    assignment: { splits, through },
    inputs: [id],
    outputs: [copy],
    source,
    group,
  };
  const changed = reread(wider, id, copy);
  return { ...changed, steps: [...changed.steps.slice(0, at + 1), step, ...changed.steps.slice(at + 1)] };
}

/** All who read what the step at `at` makes read its sum over some axes, where the blocks of all ranks are equally large. */
export function reducedOver(graph: PlacedGraph, id: PlacedId, axes: readonly AxisName[], at: number): PlacedGraph {
  const { type, layout, group } = graph.values[id];
  if (axes.length === 0 || !splitsEvenly(graph.meshes[group], type, layout)) return graph;
  const { graph: wider, copy } = withCopy(graph, id);
  const partial = { ...layout.partial, ...Object.fromEntries(axes.map((axis) => [axis, 'sum' as const])) };
  const step: PlacedMove = {
    kind: 'move',
    move: {
      kind: 'all_reduce',
      from: { splits: layout.splits, partial },
      to: layout,
      axes,
      factors: [],
      reduction: 'sum',
    },
    inputs: [id],
    outputs: [copy],
    source: graph.steps[at].source,
    group,
  };
  return replaceStep(reread(wider, id, copy, at), at, wider.steps[at], step);
}
