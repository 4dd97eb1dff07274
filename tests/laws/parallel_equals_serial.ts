/** The law of whole programs: what a program leaves behind is what the unpartitioned graphs give on one device. */
import { printMesh } from '../../src/ir/mesh.js';
import { ops } from '../../src/ops/index.js';
import { applyPrecision, type GradientTypes } from '../../src/passes/precision.js';
import { verifyProgram } from '../../src/verify/index.js';
import { gradientReductionOf, meshesOf } from '../../src/plan/plan.js';
import { descent } from '../scenarios/descent.js';
import { firstDeparture } from '../scenarios/placed_executor.js';
import { runPlacedStep, type PlacedScenario } from '../scenarios/placed_scenario.js';
import type { Scenario, ScenarioOptions, Values } from '../scenarios/scenario.js';

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

/**
 * The scenario in mixed precision. f32 in f64 stands for bf16 in f32: the same casts in the same places, and rounding that leaves faults
 * to be seen.
 */
export const inMixedPrecision = (full: ScenarioOptions, gradients: GradientTypes = 'master'): ScenarioOptions => ({
  ...full,
  step: applyPrecision(full.step, ops, 'f32', gradients),
  update: full.update && descent('f64'),
});

/** Of {@link inMixedPrecision}. */
export const rounded: Tolerance = { relative: 1e-4, floor: 1e-5 };

/** What is wrong with a program, as the story's lines; null where the verifier accepts it and parallel equals serial. */
export function programFault(scenario: Scenario, tolerance?: Tolerance): string | null {
  const [refused] = verifyProgram(scenario.program, scenario.placed, ops);
  if (refused) return `  refused by the verifier: ${refused.message}`;
  const run = () => {
    const { fault, deadlock, ...execution } = scenario.parallel();
    if (fault) throw new Error(`rank ${fault.rank} cannot run ${fault.instruction}: ${fault.reason}`);
    if (deadlock) throw new Error(deadlock.map((lane) => `rank ${lane.rank} waits for ${lane.waitsFor}`).join('; '));
    return scenario.gather({ ...execution, fault, deadlock });
  };
  return faultOf(scenario, scenario.serial(), run, tolerance);
}

/** What is wrong with what `run` gives, and which step made it. */
export function faultOf(
  scenario: PlacedScenario,
  serial: Values,
  run: () => Values,
  tolerance?: Tolerance,
): string | null {
  let found: readonly string[];
  try {
    found = departures(serial, run(), tolerance);
  } catch (error) {
    found = [(error as Error).message.split('\n')[0]];
  }
  if (found.length === 0) return null;
  return [...found.slice(0, 3).map((line) => `  first   ${line}`), blame(scenario)].join('\n');
}

/** Which step of the placed graphs is wrong, if one is. */
export function blame(scenario: PlacedScenario): string {
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

/** The plan in a line. */
export function describePlan({ plan }: Pick<PlacedScenario, 'plan'>): string {
  const split = Object.entries(plan.split).map(
    ([factor, axes]) => `${factor}: ${axes.join('*')}${plan.bounds[factor] ? `[${plan.bounds[factor]}]` : ''}`,
  );
  const { kind, microbatches, table } = plan.schedule;
  const meshes = meshesOf(plan).map(printMesh).join(' | ');
  const chunks = plan.chunks.map(({ segments, on }) => `${segments.join('+')} on ${on}`).join(', ');
  const slots = table ? ` ${JSON.stringify(table)}` : '';
  const { reduce } = plan.precision;
  const reductions = `${reduce ? ` reduced in ${reduce}` : ''}, reduced ${gradientReductionOf(plan.zero)}`;
  const again = plan.scopes.map(({ of, made, ops, keep }) => `, ${ops} of ${of} ${made} for its ${keep}`).join('');
  return (
    `mesh ${meshes}, ${split.join(', ')}, ZeRO-${plan.zero.stage}${reductions}, ` +
    `${kind} of ${microbatches} microbatches${slots}, chunks ${chunks}${again}`
  );
}
