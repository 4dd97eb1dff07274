/** What every page here asks: does the step on virtual ranks leave what one device leaves? And questions to its placed graph. */
import { expect } from 'vitest';
import { printLayout } from '../../src/ir/layout.js';
import type { PlacedGraph, PlacedOp } from '../../src/partition/placed.js';
import { programFault, type Tolerance } from '../laws/parallel_equals_serial.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { whim } from '../scenarios/whim.js';

/** Compiles the step, with prices of bytes alone (latency would gather the weights of models this small), runs it and compares. */
export function expectEqualsSerial(options: ScenarioOptions, tolerance?: Tolerance): Scenario {
  const scenario = buildScenario({
    costs: whim(1),
    memory: { moves: 20, searchNodes: 0 },
    ...options,
  });
  expect(programFault(scenario, tolerance)?.tell() ?? null).toBeNull();
  return scenario;
}

/** Steps of an op whose module path ends in `path`. */
export const opsOf = ({ steps }: PlacedGraph, op: string, path = ''): readonly PlacedOp[] =>
  steps.filter((step): step is PlacedOp => step.kind === 'op' && step.op === op && step.source.path.endsWith(path));

/** Kinds of moves, with how often each occurs. */
export function movesOf({ steps }: PlacedGraph): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const step of steps) if (step.kind === 'move') counts[step.move.kind] = (counts[step.move.kind] ?? 0) + 1;
  return counts;
}

/** Layouts of the results of a step. */
export const resultsOf = (graph: PlacedGraph, step: PlacedOp): readonly string[] =>
  step.outputs.map((id) => printLayout(graph.values[id].layout, graph.values[id].type));

/** The layout of a gradient, as it is packed into its bucket. */
export function gradientLayout({ steps, values }: PlacedGraph, parameter: string): string {
  for (const step of steps) {
    if (step.kind !== 'pack') continue;
    const at = step.members.findIndex(({ name }) => name === parameter);
    if (at >= 0) return printLayout(values[step.inputs[at]].layout);
  }
  throw new Error(`no bucket holds the gradient of '${parameter}'`);
}

/** The layout of a value that a graph gives. */
export function outputLayout(graph: PlacedGraph, name: string): string {
  const { layout, type } = graph.values[graph.outputs.find((output) => output.name === name)!.value];
  return printLayout(layout, type);
}
