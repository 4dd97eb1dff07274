/**
 * Parallel equals serial: random models × random plans, on the placed graphs and on whole programs in the reference engine.
 *
 * RUNS=2000 npx vitest run tests/laws/parallel_equals_serial searches longer; REPLAY=seed:path repeats one failure.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ops } from '../../src/ops/index.js';
import { applyPrecision } from '../../src/passes/precision.js';
import { describeStep, type PlacedGraph, type PlacedStep } from '../../src/partition/placed.js';
import { anyHints, anyTraining, trainingScenario, type TrainingDraw } from '../arbitraries/training.js';
import { descent } from '../scenarios/descent.js';
import { placedResults, placeScenario } from '../scenarios/placed_scenario.js';
import { buildScenario, runSerial } from '../scenarios/scenario.js';
import { blame, departures, describePlan, faultOf, programFault } from './parallel_equals_serial.js';

const [replaySeed, replayPath] = process.env.REPLAY?.split(/:(.*)/) ?? [];
const runs = Number(process.env.RUNS ?? 10);

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
      `  replay  REPLAY=${out.seed}:${out.counterexamplePath} npx vitest run tests/laws/parallel_equals_serial`,
    ].join('\n'),
    { cause: error },
  );
}

const options = {
  seed: replaySeed ? Number(replaySeed) : process.env.RUNS ? undefined : 3,
  path: replayPath,
};

describe('parallel equals serial', () => {
  test('programs on virtual ranks', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const scenario = buildScenario(trainingScenario(draw, hints));
      const fault = programFault(scenario);
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...options, numRuns: runs, reporter: tell });
  });

  // f32 in f64 stands for bf16 in f32: the same casts in the same places, and rounding that leaves faults to be seen.
  test('programs in mixed precision', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const full = trainingScenario(draw, hints);
      const step = applyPrecision(full.step, ops, 'f32');
      const scenario = buildScenario({ ...full, step, update: full.update && descent('f64') });
      const fault = programFault(scenario, { relative: 1e-4, floor: 1e-5 });
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...options, numRuns: runs, reporter: tell });
  });

  test('placed graphs, step by step, with hints on any op', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const options = trainingScenario(draw, hints);
      const scenario = placeScenario(options);
      const serial = runSerial(options, scenario.inputs, options.microbatches ?? 1);
      const fault = faultOf(scenario, serial, () => placedResults(scenario));
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...options, numRuns: 4 * runs, reporter: tell });
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
  dataSplits: 'batch',
  skip: 0,
  uneven: [0, 0],
  contextSplits: 'sequence',
  zero: 0,
  update: false,
  whim: 1,
};
