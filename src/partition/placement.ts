/** A plan as the partitioner asks of it: where inputs and outputs lie, on which stage an op runs, what is fixed for it. */
import type { Graph } from '../ir/graph.js';
import { replicated, type Layout, type Split } from '../ir/layout.js';
import { axesSize, type Mesh } from '../ir/mesh.js';
import { factorsOf, type TensorType } from '../ir/type.js';
import { meshOf, type Plan } from '../plan/plan.js';
import type { Placement } from './partition.js';
import type { PlacedGraph } from './placed.js';

/** Layout of a parameter, its gradient or data: its first factors that the plan splits, each axis once. */
export function storageLayout(plan: Plan, mesh: Mesh, type: TensorType): Layout {
  const splits: Record<string, Split> = {};
  const used = new Set<string>();
  for (const { name } of factorsOf(type)) {
    const axes = (plan.split[name] ?? []).filter((axis) => axesSize(mesh, [axis]) > 1);
    if (axes.length === 0 || axes.some((axis) => used.has(axis))) continue;
    splits[name] = plan.bounds[name] ? { axes, bounds: plan.bounds[name] } : { axes };
    axes.forEach((axis) => used.add(axis));
  }
  return { splits, partial: {} };
}

/** Layout of optimizer state: that of the parameter, and with ZeRO its largest unsplit factor split over the data axis too. */
export function stateLayout(plan: Plan, mesh: Mesh, type: TensorType): Layout {
  const storage = storageLayout(plan, mesh, type);
  const { stage, axis } = plan.zero;
  const taken = Object.values(storage.splits).some((split) => split.axes.includes(axis));
  if (stage === 0 || taken || axesSize(mesh, [axis]) === 1) return storage;
  const free = factorsOf(type).filter(({ name }) => !storage.splits[name]);
  if (free.length === 0) return storage;
  const largest = free.reduce((a, b) => (b.size > a.size ? b : a));
  return { splits: { ...storage.splits, [largest.name]: { axes: [axis] } }, partial: {} };
}

/** The stages that read each input of the step graph, first to last: where it is stored. */
export function homesOf(plan: Plan, step: Graph): ReadonlyMap<string, readonly number[]> {
  const stageOf = segmentStages(plan);
  return new Map(
    step.inputs.map(({ name, value }) => {
      const readers = step.nodes
        .filter((node) => node.inputs.includes(value))
        .map((node) => stageOf(node.source.segment));
      return [name, [...new Set(readers)].sort((a, b) => a - b)];
    }),
  );
}

/** Placement of the step graph: forward and backward of one scheduled microbatch. Outputs stay as they come: the update reduces them. */
export function stepPlacement(plan: Plan, step: Graph): Placement {
  const meshes = plan.stages.map(meshOf);
  const stageOf = segmentStages(plan);
  const homes = homesOf(plan, step);
  return {
    meshes,
    stage: ({ segment }) => stageOf(segment),
    input: (name, kind, type) =>
      homes.get(name)!.map((stage) => ({
        stage,
        layout: kind === 'scalar' ? replicated : storageLayout(plan, meshes[stage], type),
      })),
    output: () => null,
    hint: () => null,
  };
}

/**
 * Placement of the update graph. Gradients come as the step left them (partial over data); parameters and state lie where they are
 * stored, on the first stage that reads them; whatever reads a parameter or its gradient works there, in the layout of its state.
 */
export function updatePlacement(
  plan: Plan,
  step: PlacedGraph,
  homes: ReadonlyMap<string, readonly number[]>,
  types: ReadonlyMap<string, TensorType>,
): Placement {
  const meshes = plan.stages.map(meshOf);
  const given = new Map(step.outputs.map(({ name, value }) => [name, step.values[value]]));
  const homeOf = (name: string) => homes.get(name)?.[0] ?? 0;
  return {
    meshes,
    stage: ({ path }) => homeOf(path),
    input: (name, kind, type) => {
      const sum = given.get(name);
      if (kind === 'value' && sum) return [{ stage: sum.stage, layout: sum.layout }];
      if (kind === 'scalar') return meshes.map((_, stage) => ({ stage, layout: replicated }));
      const parameter = parameterName(name);
      if (kind === 'state')
        return [{ stage: homeOf(parameter), layout: stateLayout(plan, meshes[homeOf(parameter)], type) }];
      return (homes.get(parameter) ?? [0]).map((stage) => ({
        stage,
        layout: storageLayout(plan, meshes[stage], type),
      }));
    },
    output: (name, type) => {
      const parameter = parameterName(name);
      if (types.has(name)) {
        return (homes.get(name) ?? [0]).map((stage) => ({ stage, layout: storageLayout(plan, meshes[stage], type) }));
      }
      if (types.has(parameter))
        return [{ stage: homeOf(parameter), layout: stateLayout(plan, meshes[homeOf(parameter)], type) }];
      // Every stage has learned whether the step is skipped, and says so.
      return (name === 'skipped' ? meshes : meshes.slice(0, 1)).map((_, stage) => ({ stage, layout: replicated }));
    },
    hint: ({ inputs }) => {
      const parameter = inputs
        .flatMap((input) => (input === null ? [] : [parameterName(input)]))
        .find((name) => types.has(name));
      if (parameter === undefined) return null;
      return stateLayout(plan, meshes[homeOf(parameter)], types.get(parameter)!).splits;
    },
  };
}

/** `gradient.X` and `optimizer.exp_avg.X` belong to the parameter X. */
const parameterName = (input: string): string => input.replace(/^(gradient|optimizer\.\w+)\./, '');

function segmentStages(plan: Plan): (segment: string) => number {
  const stages = new Map(plan.stages.flatMap(({ segments }, i) => segments.map((segment) => [segment, i] as const)));
  return (segment) => stages.get(segment) ?? 0;
}
