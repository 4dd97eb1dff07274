/**
 * Pages of `partition/*.md`: a plan, a graph, and what partitioning makes of it, each line with the block that a rank holds and its layout.
 *
 *   plan    mesh {data: 2, tensor: 2} · one factor and its axes a line, `heads: tensor[0,5,7]` · zero 1 over data
 *   before  %name : kind type, one a line (a sum that the step left: its layout too); nodes as printed graphs have them; return
 *   after   the placed graph: types are those of the first rank's block
 *
 * `UPDATE=1 npx vitest run tests/golden` writes what is made into the pages; the diff shows what a change did.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Graph } from '../../src/ir/graph.js';
import { localType, parseLayout, printLayout, type Layout } from '../../src/ir/layout.js';
import { coordinatesOf } from '../../src/ir/mesh.js';
import { parseGraph } from '../../src/ir/parse.js';
import { printType, type TensorType } from '../../src/ir/type.js';
import { ops } from '../../src/ops/index.js';
import { checkPlacement } from '../../src/partition/check.js';
import { defaultCosts } from '../../src/partition/costs.js';
import { partition, type Placement } from '../../src/partition/partition.js';
import { describeStep, type PlacedGraph, type PlacedId } from '../../src/partition/placed.js';
import { homesOf, stepPlacement, updatePlacement } from '../../src/partition/placement.js';
import { storageLayout } from '../../src/partition/storage.js';
import { meshOf, type Plan } from '../../src/plan/plan.js';
import { parseMesh } from '../../src/ir/mesh.js';

const folder = new URL('./partition/', import.meta.url);
const pages = readdirSync(folder).filter((file) => file.endsWith('.md'));

test.each(pages)('%s', (file) => {
  const at = new URL(file, folder);
  const text = readFileSync(at, 'utf8');
  const plan = parsePlan(blockOf(text, 'plan'));
  const { graph, given } = parsePage(blockOf(text, 'before'));
  const placement = given.size > 0 ? updateOf(plan, graph, given) : stepOf(plan, graph);
  const placed = partition(graph, ops, placement, defaultCosts(placement.meshes));
  expect(checkPlacement(placed)).toEqual([]);
  const after = printPage(placed);
  if (process.env.UPDATE) writeFileSync(at, text.replace(fence('after'), `\`\`\`after\n${after}\n\`\`\``));
  else expect(after).toBe(blockOf(text, 'after'));
});

const fence = (name: string) => new RegExp(`\`\`\`${name}\\n([\\s\\S]*?)\\n?\`\`\``);

function blockOf(page: string, name: string): string {
  const match = fence(name).exec(page);
  if (!match) throw new Error(`the page has no block '${name}'`);
  return match[1];
}

function parsePlan(text: string): Plan {
  const lines = text.split('\n').filter(Boolean);
  const mesh = Object.fromEntries(parseMesh(lines[0]).axes.map(({ name, size }) => [name, size]));
  const zero = lines.map((line) => /^zero 1 over (\w+)$/.exec(line)?.[1]).find(Boolean);
  const { splits } = parseLayout(
    `{${lines
      .filter((line, i) => i > 0 && !line.startsWith('zero'))
      .map((l) => l.replace(': ', ':'))
      .join(', ')}}`,
  );
  return {
    flotilla_plan: 1,
    model: { name: 'page', hash: '' },
    stages: [{ segments: ['model'], mesh }],
    schedule: { kind: 'gpipe', microbatches: 1 },
    batch: { logical_microbatches: 1, sequences: 1 },
    split: Object.fromEntries(Object.entries(splits).map(([factor, { axes }]) => [factor, axes])),
    bounds: Object.fromEntries(
      Object.entries(splits).flatMap(([factor, { bounds }]) => (bounds ? [[factor, bounds]] : [])),
    ),
    zero: zero ? { stage: 1, axis: zero } : { stage: 0, axis: 'data' },
    precision: { compute: 'f64', master: 'f64' },
    predicted: null,
  };
}

/** A page's graph: the grammar of printed graphs, with the source of nodes left out where it is the forward. */
function parsePage(text: string): { graph: Graph; given: ReadonlyMap<string, Layout> } {
  const lines = text.split('\n').map((line) => line.trim());
  const given = new Map<string, Layout>();
  const inputs = lines
    .filter((line) => /^%\S+ +: \w+ \w+\[/.test(line))
    .map((line) => {
      const [, name, kindAndType, layout] = /^%(\S+) +: (\w+ [^{]*?)( \{.*\})?$/.exec(line)!;
      if (layout) given.set(name, parseLayout(layout));
      return `%${/^\w+$/.test(name) ? name : JSON.stringify(name)}: ${kindAndType.trim()}`;
    });
  const quoted = (line: string) => line.replace(/%([\w]*[._][\w.]*)/g, '%"$1"');
  const nodes = lines
    .filter((line) => / = /.test(line))
    .map((line) => quoted(line.includes(' ; ') ? line : `${line} ; - forward model`));
  const result = lines.find((line) => line.startsWith('return')) ?? 'return';
  const body = [`func @page(${inputs.join(', ')}) {`, ...nodes, quoted(result), '}'].join('\n');
  return { graph: parseGraph(body, ops), given };
}

/** Outputs lie as the plan stores values of their factors. */
function stepOf(plan: Plan, graph: Graph): Placement {
  const mesh = meshOf(plan.stages[0]);
  const output = (_: string, type: TensorType) => [{ stage: 0, layout: storageLayout(plan, mesh, type) }];
  return { ...stepPlacement(plan, graph), output };
}

function updateOf(plan: Plan, graph: Graph, given: ReadonlyMap<string, Layout>): Placement {
  const sums = graph.inputs.filter(({ kind }) => kind === 'value');
  const step: PlacedGraph = {
    name: 'step',
    meshes: [meshOf(plan.stages[0])],
    inputs: [],
    steps: [],
    values: sums.map(({ name, value }, id) => ({
      id,
      name,
      type: graph.values[value].type,
      layout: given.get(name) ?? { splits: {}, partial: {} },
      stage: 0,
    })),
    outputs: sums.map(({ name }, value) => ({ name, value })),
  };
  const parameters = graph.inputs.filter(({ kind }) => kind === 'parameter');
  const types = new Map(parameters.map(({ name, value }) => [name, graph.values[value].type]));
  return updatePlacement(plan, step, homesOf(plan, graph), types);
}

function printPage(placed: PlacedGraph): string {
  const names = new Map<PlacedId, string>(placed.inputs.map(({ name, value }) => [value, `%${name}`]));
  let count = 0;
  const nameOf = (id: PlacedId) => names.get(id) ?? names.set(id, `%${++count}`).get(id)!;
  const show = (id: PlacedId) => {
    const { type, layout, stage } = placed.values[id];
    const mesh = placed.meshes[stage];
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
