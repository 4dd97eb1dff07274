/** The law of whole programs: what a program leaves behind is what the unpartitioned graphs give on one device. */
import { printMesh } from '../../src/ir/mesh.js';
import { elementsOf } from '../../src/ir/type.js';
import { referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import { meshOf } from '../../src/plan/plan.js';
import {
  firstDeparture,
  gatherPlaced,
  runPlaced,
  type PlacedGiven,
  type PlacedRun,
} from '../scenarios/placed_executor.js';
import type { Scenario, Values } from '../scenarios/scenario.js';

/** What was compared, and with which bounds. */
export interface Tolerance {
  /** ‖Δ‖ ≤ relative · ‖serial‖ */
  readonly relative: number;
  /** … + floor · ‖all gradients‖, for gradients: some are zero in theory. */
  readonly floor: number;
}

export const exact: Tolerance = { relative: 1e-9, floor: 1e-13 };

/** Where values differ by more than the tolerance; empty where they agree. */
export function departures(
  serial: Values,
  parallel: Values,
  { relative, floor }: Tolerance = exact,
): readonly string[] {
  const gradients = Object.keys(serial).filter((name) => name.startsWith('gradient.'));
  const all = Math.hypot(...gradients.map((name) => Math.hypot(...serial[name])));
  return Object.entries(serial).flatMap(([name, expected]) => {
    const actual = parallel[name];
    if (!actual) return [`${name} is missing`];
    const limit = relative * Math.hypot(...expected) + (gradients.includes(name) ? floor * all : 0);
    const delta = Math.hypot(...expected.map((x, i) => (Object.is(x, actual[i]) ? 0 : x - actual[i])));
    if (delta <= limit) return [];
    const at = expected.findIndex((x, i) => !(Math.abs(x - actual[i]) <= limit));
    return [`${name}[${at}]  serial ${expected[at]}  parallel ${actual[at]}  ‖Δ‖ ${delta.toExponential(1)}`];
  });
}

/** What is wrong with a scenario, as the story's lines; null where parallel equals serial. */
export function faultOf(scenario: Scenario): string | null {
  const serial = scenario.serial();
  let found: readonly string[];
  try {
    const run = scenario.parallel();
    if (run.fault) found = [`rank ${run.fault.rank} cannot run ${run.fault.instruction}: ${run.fault.reason}`];
    else if (run.deadlock) found = run.deadlock.map((lane) => `rank ${lane.rank} waits for ${lane.waitsFor}`);
    else found = departures(serial, scenario.gather(run));
  } catch (error) {
    found = [(error as Error).message.split('\n')[0]];
  }
  return found.length === 0
    ? null
    : [...found.slice(0, 3).map((line) => `  first   ${line}`), blame(scenario)].join('\n');
}

/** Which step of the placed graphs is wrong, if one is. */
function blame(scenario: Scenario): string {
  try {
    for (const run of runPlacedStep(scenario)) {
      const where = firstDeparture(run);
      if (where) return `  parts   ${where.split('\n').join('\n  ')}`;
    }
    return '  parts   nowhere in the placed graphs: their lowering is wrong';
  } catch (error) {
    return `  parts   ${(error as Error).message.split('\n')[0]}`;
  }
}

/** The placed graphs of a whole step: one run a microbatch, then the update on what they sum to. */
export function runPlacedStep({ placed, inputs }: Scenario): readonly PlacedRun[] {
  const kernels = referenceKernels(ops);
  const microbatches = Object.values(inputs).reduce(
    (n, value) => Math.max(n, value instanceof Float64Array ? 1 : value.length),
    1,
  );
  const at = (microbatch: number) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [name, value instanceof Float64Array ? value : value[microbatch]]),
    );
  const runs = Array.from({ length: microbatches }, (_, m) => runPlaced(placed.step, at(m), kernels));
  if (!placed.update) return runs;
  const sums: Record<string, PlacedGiven> = {};
  for (const { name, value } of placed.step.outputs) {
    const add = (a: Float64Array, b: Float64Array) => a.map((x, i) => x + b[i]);
    sums[name] = {
      serial: runs.map((run) => run.serial[value]).reduce(add),
      blocks: runs.map((run) => run.blocks[value]).reduce((a, b) => a.map((block, rank) => add(block, b[rank]))),
    };
  }
  return [...runs, runPlaced(placed.update, { ...at(0), ...sums }, kernels)];
}

/** What the placed graphs of a whole step give, by name. */
export function placedResults(scenario: Scenario): Values {
  const runs = runPlacedStep(scenario);
  const last = runs[runs.length - 1];
  const outputs = (scenario.placed.update ?? scenario.placed.step).outputs;
  if (scenario.placed.update)
    return Object.fromEntries(outputs.map(({ name, value }) => [name, gatherPlaced(last, value)]));
  return Object.fromEntries(
    outputs.map(({ name, value }) => {
      const sum = new Float64Array(elementsOf(scenario.placed.step.values[value].type));
      for (const run of runs) gatherPlaced(run, value).forEach((x, i) => (sum[i] += x));
      return [name, sum];
    }),
  );
}

/** The plan in a line. */
export function describePlan({ plan }: Scenario): string {
  const split = Object.entries(plan.split).map(
    ([factor, axes]) => `${factor}: ${axes.join('*')}${plan.bounds[factor] ? `[${plan.bounds[factor]}]` : ''}`,
  );
  const meshes = plan.stages.map((stage) => printMesh(meshOf(stage))).join(' | ');
  return `mesh ${meshes}, ${split.join(', ')}, ZeRO-${plan.zero.stage}, ${plan.schedule.microbatches} microbatches`;
}
