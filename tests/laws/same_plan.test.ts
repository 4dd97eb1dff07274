/** The same plan is the same program: with all choices fixed, prices decide nothing. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hashText } from '../../src/ir/hash.js';
import { anyHints, anyTraining, trainingScenario } from '../arbitraries/training.js';
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
