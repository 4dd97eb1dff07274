/**
 * Parallel equals serial: random models × random plans, on the placed graphs and on whole programs in the reference engine.
 *
 * RUNS=2000 npx vitest run tests/laws/parallel_equals_serial searches longer; REPLAY=seed:path repeats one failure.
 */
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { anyHints, anyTraining, trainingScenario, type TrainingDraw } from '../arbitraries/training.js';
import { placedResults, placeScenario } from '../scenarios/placed_scenario.js';
import { buildScenario, runSerial } from '../scenarios/scenario.js';
import { blame, departures, describePlan, faultOf } from './parallel_equals_serial.js';

const [replaySeed, replayPath] = process.env.REPLAY?.split(/:(.*)/) ?? [];
const runs = Number(process.env.RUNS ?? 25);

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
      const fault = faultOf(scenario);
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, { ...options, numRuns: runs, reporter: tell });
  });

  test('placed graphs, step by step, with hints on any op', () => {
    const law = fc.property(anyTraining(), anyHints(), (draw, hints) => {
      const options = trainingScenario(draw, hints);
      const scenario = placeScenario(options);
      const serial = runSerial(options.step, options.update, scenario.inputs, options.microbatches ?? 1);
      const [first] = departures(serial, placedResults(scenario));
      if (first)
        throw new Error([`  plan    ${describePlan(scenario)}`, `  first   ${first}`, blame(scenario)].join('\n'));
    });
    fc.assert(law, { ...options, numRuns: 4 * runs, reporter: tell });
  });
});
