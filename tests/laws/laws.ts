/** The laws that random models × random plans obey, as properties: `npm test` draws some cases of each, `npm run fuzz -- laws` any number. */
import fc from 'fast-check';
import { anyHints, anyTraining, trainingScenario, type HintsDraw, type TrainingDraw } from '../arbitraries/training.js';
import { placedResults, placeScenario } from '../scenarios/placed_scenario.js';
import { buildScenario, planOf, runSerial, type ScenarioOptions } from '../scenarios/scenario.js';
import { fixed } from './fixed_cases.js';
import {
  describePlan,
  faultOf,
  inMixedPrecision,
  programFault,
  rounded,
  type Tolerance,
} from './parallel_equals_serial.js';
import { dataFactorsOf, enlarged, placedStep, repeatedWork } from './work_is_split.js';

export type Case = [draw: TrainingDraw, hints: HintsDraw];

export interface Law {
  /** As the tests are called. */
  readonly name: string;
  readonly property: () => fc.IPropertyWithHooks<Case>;
  /** Tried before any other. */
  readonly examples: Case[];
}

const law = (name: string, examples: Case[], holds: (...given: Case) => void): Law => ({
  name,
  property: () => fc.property(anyTraining(), anyHints(), holds),
  examples,
});

const programs = law('programs on virtual ranks', fixed, (draw, hints) => {
  expectProgram(trainingScenario(draw, hints));
});

const mixed = law('programs in mixed precision', fixed, (draw, hints) => {
  expectProgram(drawnPrecision(trainingScenario(draw, hints), draw), rounded);
});

/** In mixed precision, with gradients summed and reduced in the types that are drawn. */
export const drawnPrecision = (
  full: ScenarioOptions,
  { gradients: [summed, reduce] }: TrainingDraw,
): ScenarioOptions => ({
  ...inMixedPrecision(full, summed),
  ...(reduce && { reduce }),
});

const placedGraphs = law('placed graphs, step by step, with hints on any op', fixed, (draw, hints) => {
  const options = trainingScenario(draw, hints);
  const scenario = placeScenario(options);
  const serial = runSerial(options, scenario.inputs, options.microbatches ?? 1);
  const fault = faultOf(scenario, serial, () => placedResults(scenario));
  if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
});

/** Without hints: the partitioner is to see for itself. */
const workLaw = (name: string, sized: (draw: TrainingDraw) => TrainingDraw): Law =>
  law(name, [], (draw) => {
    const scenario = trainingScenario(sized(draw));
    const plan = planOf(scenario);
    const repeated = repeatedWork(placedStep(plan, scenario.step), plan, dataFactorsOf(scenario.step));
    if (repeated.length > 0) throw new Error(`  plan    ${describePlan({ plan })}\n${repeated.join('\n')}`);
  });

const workOfTiny = workLaw('work is split: tiny models, where latencies decide', (draw) => ({
  ...draw,
  update: false,
}));
const workOfUsual = workLaw('work is split: models of usual sizes', enlarged);

export const laws = { programs, mixed, placedGraphs, workOfTiny, workOfUsual } satisfies Readonly<Record<string, Law>>;

function expectProgram(options: ScenarioOptions, tolerance?: Tolerance): void {
  const scenario = buildScenario(options);
  const fault = programFault(scenario, tolerance);
  if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
}

/** A failure as a story, `replay` telling how to see it again; null where the law held. */
export function story({ name }: Law, out: fc.RunDetails<Case>, replay: (seed: string) => string): string | null {
  if (!out.failed) return null;
  const error = out.errorInstance as Error | undefined;
  return [
    `${name}: failed, shrunk to`,
    `  draw    ${out.counterexample!.map((part) => JSON.stringify(part)).join('  ')}`,
    error?.message ?? '',
    `  replay  ${replay(`${out.seed}:${out.counterexamplePath}`)}`,
  ].join('\n');
}
