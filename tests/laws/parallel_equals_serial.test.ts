/**
 * Parallel equals serial: random models × random plans, on the placed graphs and on whole programs in the reference engine. A few fixed
 * cases first, then others in every run; the seed is printed, and REPLAY=seed repeats a run, REPLAY=seed:path one failure.
 *
 * As many cases as two minutes of a core take; `npm run fuzz -- laws --runs 2000` searches longer.
 */
import { describe, expect, test } from 'vitest';
import { describeStep, type PlacedGraph, type PlacedStep } from '../../src/partition/placed.js';
import { trainingScenario } from '../arbitraries/training.js';
import { placedResults, placeScenario } from '../scenarios/placed_scenario.js';
import { runSerial } from '../scenarios/scenario.js';
import { freshly } from './check_law.js';
import { smallest } from './fixed_cases.js';
import { laws } from './laws.js';
import { blame, departures } from './parallel_equals_serial.js';

const check = freshly('parallel equals serial', 'tests/laws/parallel_equals_serial');

describe('parallel equals serial', () => {
  const timeout = process.env.RUNS ? 0 : 600_000;
  test(laws.programs.name, { timeout }, () => check(laws.programs, 90));
  test(laws.mixed.name, { timeout }, () => check(laws.mixed, 30));
  test(laws.placedGraphs.name, { timeout }, () => check(laws.placedGraphs, 160));

  test('a sum over ranks that is left out is told, with the step that misses it', () => {
    const options = trainingScenario({ ...smallest, meshes: [{ data: 1, tensor: 2, context: 1 }] });
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
