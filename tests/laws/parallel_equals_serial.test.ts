/**
 * Parallel equals serial: random models × random plans, on the placed graphs and on whole programs in the reference engine.
 *
 * RUNS=2000 npx vitest run tests/laws/parallel_equals_serial searches longer; REPLAY=seed:path repeats one failure.
 */
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { anyTraining, trainingScenario, type TrainingDraw } from '../arbitraries/training.js';
import { buildScenario } from '../scenarios/scenario.js';
import { departures, describePlan, faultOf, placedResults } from './parallel_equals_serial.js';

const [replaySeed, replayPath] = process.env.REPLAY?.split(/:(.*)/) ?? [];
const runs = Number(process.env.RUNS ?? 60);

/** Tells a failure as a story. */
function tell(out: fc.RunDetails<[TrainingDraw]>): void {
  if (!out.failed) return;
  const draw = out.counterexample![0];
  const error = out.errorInstance as Error | undefined;
  throw new Error(
    [
      'parallel equals serial: failed, shrunk to',
      `  draw    ${JSON.stringify(draw)}`,
      error?.message ?? '',
      `  replay  REPLAY=${out.seed}:${out.counterexamplePath} npx vitest run tests/laws/parallel_equals_serial`,
    ].join('\n'),
    { cause: error },
  );
}

const options: fc.Parameters<[TrainingDraw]> = {
  numRuns: runs,
  seed: replaySeed ? Number(replaySeed) : process.env.RUNS ? undefined : 3,
  path: replayPath,
  reporter: tell,
};

describe('parallel equals serial', () => {
  test('programs on virtual ranks', () => {
    const law = fc.property(anyTraining(), (draw) => {
      const scenario = buildScenario(trainingScenario(draw));
      const fault = faultOf(scenario);
      if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault}`);
    });
    fc.assert(law, options);
  });

  test('placed graphs, step by step', () => {
    const law = fc.property(anyTraining(), (draw) => {
      const scenario = buildScenario(trainingScenario(draw));
      const [first] = departures(scenario.serial(), placedResults(scenario));
      if (first) throw new Error(`  plan    ${describePlan(scenario)}\n  first   ${first}`);
    });
    fc.assert(law, { ...options, numRuns: Math.ceil(runs / 4) });
  });
});
