/**
 * Parallel equals serial: random models × random plans, on the placed graphs and on whole programs in the reference engine. A few fixed
 * cases first, then others in every run; the seed is printed, and REPLAY=seed repeats a run, REPLAY=seed:path one failure.
 *
 * RUNS=2000 npx vitest run tests/laws/parallel_equals_serial searches longer.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeStep, type PlacedGraph, type PlacedStep } from '../../src/partition/placed.js';
import { anyHints, anyTraining, trainingScenario, type HintsDraw, type TrainingDraw } from '../arbitraries/training.js';
import { placedResults, placeScenario } from '../scenarios/placed_scenario.js';
import { buildScenario, runSerial } from '../scenarios/scenario.js';
import { freshSeed } from '../setup/fresh_seed.js';
import {
  blame,
  departures,
  describePlan,
  faultOf,
  inMixedPrecision,
  programFault,
  rounded,
} from './parallel_equals_serial.js';

const file = 'tests/laws/parallel_equals_serial';
const fresh = freshSeed('parallel equals serial', file);
const runs = Number(process.env.RUNS ?? 8);

/** Tells a failure as a story. */
function tell<T extends [TrainingDraw, ...unknown[]]>(out: fc.RunDetails<T>): void {
  if (!out.failed) return;
  const [draw, ...more] = out.counterexample!;
  const error = out.errorInstance as Error | undefined;
  throw new Error(
    [
      'parallel equals serial: failed, shrunk to',
      `  draw    ${[draw, ...more].map((part) => JSON.stringify(part)).join('  ')}`,
      error?.message ?? '',
      `  replay  REPLAY=${out.seed}:${out.counterexamplePath} npx vitest run ${file} -t '${expect.getState().currentTestName?.split(' > ').at(-1)}'`,
    ].join('\n'),
    { cause: error },
  );
}

describe('parallel equals serial', () => {
  test('programs on virtual ranks', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const scenario = buildScenario(trainingScenario(draw, hints));
      const fault = programFault(scenario);
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...fresh, examples: fixed, numRuns: fixed.length + runs, reporter: tell });
  });

  test('programs in mixed precision', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const scenario = buildScenario(inMixedPrecision(trainingScenario(draw, hints)));
      const fault = programFault(scenario, rounded);
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...fresh, examples: fixed, numRuns: fixed.length + runs, reporter: tell });
  });

  test('placed graphs, step by step, with hints on any op', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const options = trainingScenario(draw, hints);
      const scenario = placeScenario(options);
      const serial = runSerial(options, scenario.inputs, options.microbatches ?? 1);
      const fault = faultOf(scenario, serial, () => placedResults(scenario));
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...fresh, examples: fixed, numRuns: fixed.length + 4 * runs, reporter: tell });
  });

  test('a sum over ranks that is left out is told, with the step that misses it', () => {
    const options = trainingScenario({ ...smallest, mesh: { data: 1, tensor: 2, context: 1 } });
    const scenario = placeScenario(options);
    const { step } = scenario.placed;
    const dropped = step.steps.find((s) => s.kind === 'move' && s.move.kind === 'all_reduce')!;
    const [sum, whole] = [dropped.inputs[0], dropped.outputs[0]];
    // The mutant reads the partial sum as if it were whole, and says so in its layouts: no checker is asked.
    const mutant: PlacedGraph = {
      ...step,
      steps: step.steps
        .filter((s) => s !== dropped)
        .map((s) => ({ ...s, inputs: s.inputs.map((id) => (id === whole ? sum : id)) }) as PlacedStep),
    };
    const broken = { ...scenario, placed: { ...scenario.placed, step: mutant } };
    const serial = runSerial(options, scenario.inputs, 1);
    expect(departures(serial, placedResults(scenario))).toEqual([]);
    // Each rank goes on with its own part.
    expect(() => placedResults(broken)).toThrow('replicas of f64[] {} differ');
    const reader = mutant.steps.find((s) => s.inputs.includes(sum))!;
    expect(blame(broken)).toContain(describeStep(reader));
  });
});

const smallest: TrainingDraw = {
  model: 'mlp',
  layers: 1,
  heads: 2,
  headDim: 2,
  group: 1,
  hidden: 6,
  vocab: 2,
  experts: 2,
  dropout: false,
  tied: false,
  sequence: 1,
  batch: 2,
  logical: 1,
  microbatches: 1,
  mesh: { data: 1, tensor: 1, context: 1 },
  second: null,
  schedule: '1f1b',
  dataSplits: 'batch',
  skip: 0,
  uneven: [0, 0],
  contextSplits: 'sequence',
  zero: 0,
  update: false,
  whim: 1,
};

/**
 * What a plan has to get right at once: tied weights of two groups, experts with two data axes, blocks of unlike sizes; and what a search
 * found: ranks that no message reaches, since they have no part of the batch, or of a tied weight's rows.
 */
const fixed: [TrainingDraw, HintsDraw][] = [
  [
    {
      ...smallest,
      model: 'llama',
      layers: 2,
      group: 2,
      vocab: 5,
      tied: true,
      sequence: 3,
      microbatches: 3,
      mesh: { data: 2, tensor: 2, context: 1 },
      second: { data: 1, tensor: 3, context: 1 },
      zero: 1,
      update: true,
    },
    { percent: 5, seed: 1 },
  ],
  [
    {
      ...smallest,
      model: 'mixtral',
      sequence: 4,
      logical: 3,
      microbatches: 2,
      mesh: { data: 2, tensor: 1, context: 2 },
      dataSplits: 'microbatch',
      update: true,
    },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'gpt',
      vocab: 7,
      dropout: true,
      sequence: 2,
      batch: 3,
      mesh: { data: 2, tensor: 3, context: 1 },
      uneven: [5, 3],
      zero: 1,
      update: true,
    },
    { percent: 20, seed: 2 },
  ],
  [
    { ...smallest, model: 'gpt', batch: 1, second: { data: 4, tensor: 1, context: 1 } },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'llama',
      heads: 1,
      headDim: 1,
      hidden: 1,
      tied: true,
      batch: 1,
      mesh: { data: 1, tensor: 1, context: 1 },
      second: { data: 1, tensor: 4, context: 1 },
      update: true,
      whim: 0,
    },
    { percent: 0, seed: 0 },
  ],
];
