/** The law of whole programs: what a program leaves behind is what the unpartitioned graphs give on one device. */
import { printMesh } from '../../src/ir/mesh.js';
import { ops } from '../../src/ops/index.js';
import { applyPrecision, type GradientTypes } from '../../src/passes/precision.js';
import { verifyProgram } from '../../src/verify/index.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { adamw } from '../../src/optim/index.js';
import type { PlacedGraphs } from '../../src/partition/place_graphs.js';
import { gradientReductionOf, meshesOf } from '../../src/plan/plan.js';
import { descent } from '../scenarios/descent.js';
import { firstDeparture } from '../scenarios/placed_executor.js';
import { placedResults, runPlacedStep, type PlacedScenario } from '../scenarios/placed_scenario.js';
import type { Scenario, ScenarioOptions, Values } from '../scenarios/scenario.js';
import { firstWrong } from './first_wrong.js';
import { ratioText } from './ratio.js';

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
    const ratio = ratioText(expected[at], actual[at]);
    return [
      `${name}[${at}]  serial ${expected[at]}  parallel ${actual[at]}  (${ratio})  ‖Δ‖ ${delta.toExponential(1)}`,
    ];
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

/** What is wrong. */
export interface Fault {
  /** refused: by the verifier. differs: it leaves other numbers. fails: it cannot be compiled or run, by the code of what was thrown. */
  readonly kind: 'refused' | 'differs' | `fails ${string}`;
  /** In the story's lines; it takes as long as a run to find the place. */
  readonly tell: () => string;
}

/** What was thrown, as a fault. Replicas that differ are other numbers. */
export function failure(error: unknown, where: () => string = () => ''): Fault {
  const { message } = error as Error;
  const code = error instanceof DiagnosticError ? error.code : '';
  return code === 'reshard/replicas-differ'
    ? { kind: 'differs', tell: () => `  first   ${message.split('\n')[0]}\n${where()}` }
    : { kind: `fails ${code}`, tell: () => `  fails   ${message}\n${where()}` };
}

/** What is wrong with a program; null where the verifier accepts it and parallel equals serial. */
export function programFault(scenario: Scenario, tolerance?: Tolerance): Fault | null {
  const [refused] = verifyProgram(scenario.program, scenario.placed, ops);
  if (refused) return { kind: 'refused', tell: () => `  refused by the verifier: ${refused.message}` };
  return numbersFault(scenario, tolerance);
}

/**
 * What is wrong with what a program leaves, and the first instruction that made it; null where parallel equals serial. `meaning`: the placed
 * graphs that it should be of, where they are not those that it was made of.
 */
export function numbersFault(scenario: Scenario, tolerance?: Tolerance, meaning?: PlacedGraphs): Fault | null {
  const serial = withGradients(scenario.inputs, scenario.serial());
  const maker = () => `  made by ${firstWrong(scenario, meaning) ?? 'no instruction: the host reads another value'}`;
  try {
    const found = departures(serial, withGradients(scenario.inputs, resultsOf(scenario)), tolerance);
    return found.length === 0 ? null : { kind: 'differs', tell: () => `${firstLines(found)}\n${maker()}` };
  } catch (error) {
    return failure(error, maker);
  }
}

/** What a program leaves. Throws where it cannot run to its end, or ranks that should agree do not. */
function resultsOf(scenario: Scenario): Values {
  const execution = scenario.parallel();
  const { fault, deadlock } = execution;
  if (fault) throw new Error(`rank ${fault.rank} cannot run ${fault.instruction}: ${fault.reason}`);
  if (deadlock) throw new Error(deadlock.map((lane) => `rank ${lane.rank} waits for ${lane.waitsFor}`).join('; '));
  return scenario.gather(execution);
}

/**
 * The gradients that AdamW took, which a step with an update does not give: what its first moment has moved by, clipped and averaged. Gradients
 * show in no bound of moments and parameters where they are small beside these.
 */
function withGradients(inputs: Scenario['inputs'], values: Values): Values {
  const gradients = Object.entries(values).flatMap(([name, moment]) => {
    const [, parameter] = /^optimizer\.exp_avg\.(.*)$/.exec(name) ?? [];
    if (parameter === undefined) return [];
    const before = inputs[name] as Float64Array;
    return [[`gradient.${parameter}`, moment.map((x, i) => (x - beta1 * before[i]) / (1 - beta1))] as const];
  });
  return { ...Object.fromEntries(gradients), ...values };
}

/** Of {@link adamw}, unless it is told otherwise. */
const { beta1 } = adamw({ lr: 1 });

const firstLines = (found: readonly string[]): string =>
  found
    .slice(0, 3)
    .map((line) => `  first   ${line}`)
    .join('\n');

/** What is wrong with what the placed graphs of a scenario give, step by step, and which step made it. */
export function placedFault(scenario: PlacedScenario, serial: Values): Fault | null {
  try {
    const found = departures(serial, placedResults(scenario));
    return found.length === 0 ? null : { kind: 'differs', tell: () => `${firstLines(found)}\n${blame(scenario)}` };
  } catch (error) {
    return failure(error, () => blame(scenario));
  }
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
  const method = plan.context_method ? `, ${plan.context_method}` : '';
  const chunks = plan.chunks.map(({ segments, on }) => `${segments.join('+')} on ${on}`).join(', ');
  const slots = table ? ` ${JSON.stringify(table)}` : '';
  const { reduce } = plan.precision;
  const reductions = `${reduce ? ` reduced in ${reduce}` : ''}, reduced ${gradientReductionOf(plan.zero)}`;
  const again = plan.scopes.map(({ of, made, ops, keep }) => `, ${ops} of ${of} ${made} for its ${keep}`).join('');
  return (
    `mesh ${meshes}, ${split.join(', ')}${method}, ZeRO-${plan.zero.stage} over ${plan.zero.axes.join('*')}${reductions}, ` +
    `${kind} of ${microbatches} microbatches${slots}, chunks ${chunks}${again}`
  );
}
