/** The same plan is the same program: with all choices fixed, prices decide nothing. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hashText } from '../../src/ir/hash.js';
import { anyHints, anyTraining, trainingScenario } from '../arbitraries/training.js';
import { placeScenario } from '../scenarios/placed_scenario.js';
import { buildScenario, type Scenario } from '../scenarios/scenario.js';
import { anyPrices } from '../scenarios/whim.js';

const hashOf = ({ program }: Scenario): string => hashText(JSON.stringify(program));

test('what was chosen, fixed, makes the same program under any prices', () => {
  fc.assert(
    fc.property(anyTraining(), anyHints(), fc.nat(), (draw, hints, seed) => {
      const options = trainingScenario(draw, hints);
      const chosen = buildScenario(options);
      const costs = anyPrices(seed);
      const again = buildScenario({ ...options, costs, hint: undefined, choices: chosen.placed.choices });
      expect(hashOf(again)).toBe(hashOf(chosen));
      expect(again.placed.choices).toEqual(chosen.placed.choices);
    }),
    { numRuns: 12 },
  );
});

test('a choice that was made for an equal node is the one that would be made again', () => {
  fc.assert(
    fc.property(anyTraining(), fc.nat(), (draw, seed) => {
      const options = { ...trainingScenario(draw), costs: anyPrices(seed) };
      let asked = 0;
      // It fixes nothing, and no node is asked about as another was.
      const hint = () => ({ [`asked ${asked++}`]: { axes: [] } });
      expect(placeScenario({ ...options, hint }).placed).toEqual(placeScenario(options).placed);
      expect(asked).toBeGreaterThan(0);
    }),
    { numRuns: 12 },
  );
});
