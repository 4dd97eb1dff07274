/** The laws that random models × random plans obey: `npm test` tries some cases of each, `npm run fuzz -- laws` any number. */
import type fc from 'fast-check';
import { anyCase } from '../arbitraries/cases.js';
import { everyAxis } from '../arbitraries/every_axis.js';
import { trainingScenario, type HintsDraw, type TrainingDraw } from '../arbitraries/training.js';
import { placeScenario } from '../scenarios/placed_scenario.js';
import { buildScenario, planOf, runSerial, type ScenarioOptions } from '../scenarios/scenario.js';
import { fixed } from './fixed_cases.js';
import {
  describePlan,
  failure,
  inMixedPrecision,
  placedFault,
  programFault,
  rounded,
  type Fault,
  type Tolerance,
} from './parallel_equals_serial.js';
import { dataFactorsOf, enlarged, placedStep, repeatedWork } from './work_is_split.js';

export type Case = readonly [draw: TrainingDraw, hints: HintsDraw];

export interface Law {
  /** As the tests are called. */
  readonly name: string;
  readonly cases: () => fc.Arbitrary<Case>;
  /** Tried before any other. */
  readonly examples: readonly Case[];
  /** What is wrong in a case; null where the law holds. */
  readonly fault: (draw: TrainingDraw, hints: HintsDraw) => Fault | null;
}

const law = (
  name: string,
  examples: readonly Case[],
  holds: (draw: TrainingDraw, hints: HintsDraw) => Fault | null,
  cases: Law['cases'] = anyCase,
): Law => ({
  name,
  cases,
  examples,
  fault: (draw, hints) => {
    try {
      return holds(draw, hints);
    } catch (error) {
      return failure(error);
    }
  },
});

const programs = law('programs on virtual ranks', fixed, (draw, hints) => faultOf(trainingScenario(draw, hints)));

const axes = law('every axis at once', [], (draw, hints) => faultOf(trainingScenario(draw, hints)), everyAxis);

const mixed = law('programs in mixed precision', fixed, (draw, hints) =>
  faultOf(drawnPrecision(trainingScenario(draw, hints), draw), rounded),
);

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
  return placedFault(scenario, serial);
});

/** Without hints: the partitioner is to see for itself. */
const workLaw = (name: string, sized: (draw: TrainingDraw) => TrainingDraw): Law =>
  law(name, [], (draw) => {
    const scenario = trainingScenario(sized(draw));
    const plan = planOf(scenario);
    const repeated = repeatedWork(placedStep(plan, scenario.step), plan, dataFactorsOf(scenario.step));
    return repeated.length > 0 ? { kind: 'differs', tell: () => repeated.join('\n') } : null;
  });

const workOfTiny = workLaw('work is split: tiny models, where latencies decide', (draw) => ({
  ...draw,
  update: false,
}));
const workOfUsual = workLaw('work is split: models of usual sizes', enlarged);

export const laws = { programs, axes, mixed, placedGraphs, workOfTiny, workOfUsual } satisfies Readonly<
  Record<string, Law>
>;

function faultOf(options: ScenarioOptions, tolerance?: Tolerance): Fault | null {
  return programFault(buildScenario(options), tolerance);
}

/** The plan of a case in a line. */
export const planLine = ([draw, hints]: Case): string => describePlan({ plan: planOf(trainingScenario(draw, hints)) });
