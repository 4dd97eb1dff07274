/** A quote says of a plan what its compiled program is: assignments, what is alive, lanes. A class by itself is that of the program. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileGraphs } from '../../src/compile/compile.js';
import { quoteGraphs } from '../../src/compile/quote.js';
import { placeOfRank } from '../../src/engine/native/load_class.js';
import type { LoweredClass } from '../../src/lower/lower_class.js';
import type { Lane, RankClass } from '../../src/program/program.js';
import { ranksOf } from '../../src/plan/plan.js';
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

test('a quote has the assignments, live bytes and lanes of the compiled program, and a class by itself is the one there', () => {
  fc.assert(
    fc.property(anyTraining(), (draw) => {
      const options = trainingScenario(draw);
      const { plan, program, placed } = buildScenario(options);
      const { step, update } = options;
      const classes: readonly LoweredClass[] = program.classes;
      // Prices that are drawn, anew for each.
      const given = () =>
        [graphOptionsOf(options, plan), { parameters: parametersOf(step) }, step, update, tableOf(plan)] as const;
      const quote = quoteGraphs(...given());
      expect(quote.placed).toEqual(placed);
      expect(quote.classes.map(({ name, ranks, liveBytes }) => ({ name, ranks, liveBytes }))).toEqual(
        classes.map(({ name, members, liveBytes }) => ({ name, ranks: members.length, liveBytes })),
      );
      expect(
        quote.classes.map(({ lanes }) => Object.fromEntries(lanes.map(({ lane, launches }) => [lane, launches]))),
      ).toEqual(classes.map(launchesOf));
      const last = ranksOf(plan) - 1;
      const [asked, ...graphs] = given();
      const own = compileGraphs({ ...asked, rank: last }, ...graphs);
      expect(own.program.classes).toEqual([placeOfRank(program, last).rankClass]);
      for (const { lanes, persistentBytes, liveBytes } of quote.classes) {
        expect(persistentBytes).toBeLessThanOrEqual(liveBytes);
        for (const { seconds } of lanes) expect(seconds).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 40) },
  );
});
