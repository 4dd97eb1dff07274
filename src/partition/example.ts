/** Worked examples of passes over placed graphs: a small graph, a plan of a line or two, and the blocks that a rank then holds. */
import type { Graph } from '../ir/graph.js';
import { localType, parseLayout, printLayout } from '../ir/layout.js';
import { coordinatesOf, parseMesh } from '../ir/mesh.js';
import { parseGraph } from '../ir/parse.js';
import { ownerOf, type Role } from '../ir/role.js';
import { printType, type TensorType } from '../ir/type.js';
import { ops } from '../ops/index.js';
import type { PassExample } from '../passes/example.js';
import { meshesOf, pipelineOf, type Plan } from '../plan/plan.js';
import type { Bucket } from './buckets.js';
import { defaultCosts } from './costs.js';
import { partition } from './partition.js';
import type { Placement } from './placement.js';
import { describeStep, type PlacedGraph, type PlacedId } from './placed.js';
import { homesOf, stepPlacement, updatePlacement } from './placement.js';
import { storageLayout } from './storage.js';

/** A plan for one group: its mesh, then a line for each factor that it splits, `heads: tensor[0,5,7]`, and `zero 1 over data`. */
export function parsePlan(text: string): Plan {
  const [first, ...lines] = text.split('\n');
  const mesh = Object.fromEntries(parseMesh(first).axes.map(({ name, size }) => [name, size]));
  const zero = lines.map((line) => /^zero 1 over (\w+)$/.exec(line)?.[1]).find(Boolean);
  const factors = lines.filter((line) => !line.startsWith('zero')).map((line) => line.replace(': ', ':'));
  const splits = Object.entries(parseLayout(`{${factors.join(', ')}}`).splits);
  return {
    flotilla_plan: 2,
    model: { name: 'example', hash: '' },
    // The graphs of examples name one segment or, most of them, none.
    ...pipelineOf([{ segments: ['', 'model', 'optimizer'], mesh }]),
    schedule: { kind: 'gpipe', microbatches: 1, table: null },
    batch: { logical_microbatches: 1, sequences: 1, padding: 0 },
    split: Object.fromEntries(splits.map(([factor, { axes }]) => [factor, axes])),
    bounds: Object.fromEntries(splits.flatMap(([factor, { bounds }]) => (bounds ? [[factor, bounds]] : []))),
    scopes: [],
    zero: zero ? { stage: 1, axes: [zero] } : { stage: 0, axes: ['data'] },
    precision: { compute: 'f32', master: 'f32' },
    predicted: null,
  };
}

/** Places a graph whose outputs must lie as the plan stores values of their factors. */
export function placeWhole(plan: Plan, graph: Graph): PlacedGraph {
  const [mesh] = meshesOf(plan);
  const output = (_: Role, type: TensorType) => [{ group: 0, layout: storageLayout(plan, mesh, type) }];
  return place(graph, { ...stepPlacement(plan, graph), output });
}

/** Places a step: its outputs stay as they come. */
export const placeStep = (plan: Plan, graph: Graph): PlacedGraph => place(graph, stepPlacement(plan, graph));

/** Parameters of a graph with their types. */
export function parametersIn(graph: Graph): ReadonlyMap<string, TensorType> {
  const parameters = graph.inputs.filter(({ kind }) => kind === 'parameter');
  return new Map(parameters.map(({ role, value }) => [ownerOf(role)!, graph.values[value].type]));
}

/** Places an update of what a step leaves, of buckets and of parameters that are in none. */
export function placeUpdate(
  plan: Plan,
  step: PlacedGraph,
  update: Graph,
  buckets: readonly Bucket[] = [],
): PlacedGraph {
  const alone = [...parametersIn(update)].filter(([name]) => !buckets.some((bucket) => bucket.name === name));
  return place(update, updatePlacement(plan, step, homesOf(plan, update), new Map(alone), buckets));
}

/** A placed graph in short: types are those of the block that rank 0 holds, each with its layout. */
export function printBlocks(placed: PlacedGraph): string {
  const names = new Map<PlacedId, string>(placed.inputs.map(({ name, value }) => [value, `%${name}`]));
  let count = 0;
  const nameOf = (id: PlacedId) => names.get(id) ?? names.set(id, `%${count++}`).get(id)!;
  const show = (id: PlacedId) => {
    const { type, layout, group } = placed.values[id];
    const mesh = placed.meshes[group];
    const lies = printLayout(layout, type);
    return `${printType(localType(mesh, type, layout, coordinatesOf(mesh, 0)))}${lies === '{}' ? '' : ` ${lies}`}`;
  };
  const width = Math.max(...placed.inputs.map(({ name }) => name.length));
  const lines: [string, string][] = placed.steps.map((step) => {
    const [, head, axes = ''] = /^(\S+)( \{.*\})?$/.exec(describeStep(step))!;
    const call = `${head}(${step.inputs.map(nameOf).join(', ')})${axes}`;
    return [`${step.outputs.map(nameOf).join(', ')} = ${call}`, step.outputs.map(show).join(', ')];
  });
  const longest = Math.max(...lines.map(([call]) => call.length));
  return [
    ...placed.inputs.map(({ name, value }) => `%${name.padEnd(width)} : ${show(value)}`),
    ...lines.map(([call, types]) => `${call.padEnd(longest)} : ${types}`),
    `return ${placed.outputs.map(({ name, value }) => `${name}=${nameOf(value)}`).join(', ')}`,
  ].join('\n');
}

/** The example of a pass from placed graph to placed graph: it is given what partitioning makes of `graph` under `plan`. */
export function placedExample({
  plan,
  graph,
  ...rest
}: Pick<PassExample<PlacedGraph, PlacedGraph>, 'pass' | 'title' | 'about' | 'run'> & {
  readonly plan: string;
  readonly graph: string;
}): PassExample<PlacedGraph, PlacedGraph> {
  return {
    ...rest,
    given: () => placeWhole(parsePlan(plan), parseGraph(graph, ops)),
    before: (given) => [
      { heading: 'Plan', text: plan },
      { heading: 'Before', text: printBlocks(given) },
    ],
    after: printBlocks,
  };
}

const place = (graph: Graph, placement: Placement): PlacedGraph =>
  partition(graph, ops, placement, defaultCosts()).placed;
