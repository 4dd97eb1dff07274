import { expect, test } from 'vitest';
import { mlp } from '../../../tests/scenarios/mlp.js';
import { buildScenario, differences } from '../../../tests/scenarios/scenario.js';

test('a data-parallel step on two virtual ranks equals the serial step', () => {
  const scenario = buildScenario({
    ...mlp({ batch: 4, dim: 3, hidden: 6 }),
    mesh: { data: 2 },
    split: { batch: ['data'] },
  });
  const run = scenario.parallel();
  expect(run.fault).toBeNull();
  expect(run.deadlock).toBeNull();
  expect(differences(scenario.serial(), scenario.gather(run), 1e-12)).toEqual([]);
});
