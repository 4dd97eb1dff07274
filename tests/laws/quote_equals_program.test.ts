/** A quote says of a plan what its compiled program is: assignments, what is alive, lanes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteGraphs } from '../../src/compile/quote.js';
import type { LoweredClass } from '../../src/lower/lower_class.js';
import type { Lane, RankClass } from '../../src/program/program.js';
import { tableOf } from '../../src/plan/plan_schedule.js';
import { unroll } from '../../src/program/unroll.js';
import { anyTraining, trainingScenario } from '../arbitraries/training.js';
import { buildScenario, graphOptionsOf, parametersOf } from '../scenarios/scenario.js';

/** Launches by lane, counted in the text as it is written out. */
function launchesOf(rankClass: RankClass): Readonly<Record<Lane, number>> {
  const counts: Record<Lane, number> = {} as Record<Lane, number>;
  for (const { instruction } of unroll(rankClass)) counts[instruction.lane] = (counts[instruction.lane] ?? 0) + 1;
  return counts;
}

test('a quote has the assignments, the live bytes and the lanes of the compiled program', () => {
  fc.assert(
    fc.property(anyTraining(), (draw) => {
      const options = trainingScenario(draw);
      const { plan, program, placed } = buildScenario(options);
      const { step, update } = options;
      const classes: readonly LoweredClass[] = program.classes;
      const quote = quoteGraphs(
        graphOptionsOf(options, plan),
        { parameters: parametersOf(step) },
        step,
        update,
        tableOf(plan),
      );
      expect(quote.placed).toEqual(placed);
      expect(quote.classes.map(({ name, ranks, liveBytes }) => ({ name, ranks, liveBytes }))).toEqual(
        classes.map(({ name, members, liveBytes }) => ({ name, ranks: members.length, liveBytes })),
      );
      expect(
        quote.classes.map(({ lanes }) => Object.fromEntries(lanes.map(({ lane, launches }) => [lane, launches]))),
      ).toEqual(classes.map(launchesOf));
      for (const { lanes, persistentBytes, liveBytes } of quote.classes) {
        expect(persistentBytes).toBeLessThanOrEqual(liveBytes);
        for (const { seconds } of lanes) expect(seconds).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 200) },
  );
});
