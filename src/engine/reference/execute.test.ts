/** Small steps through the real passes, on virtual ranks, against one device. */
import { describe, expect, test } from 'vitest';
import { mlp } from '../../../tests/scenarios/mlp.js';
import { buildScenario, differences, type Scenario } from '../../../tests/scenarios/scenario.js';
import { printPlaced } from '../../partition/placed.js';
import { adversaries } from './policy.js';

const meshes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'one device': {},
  'data: 2': { data: 2 },
  'tensor: 2': { tensor: 2 },
  'data: 4': { data: 4 },
  'tensor: 4': { tensor: 4 },
  'data: 2, tensor: 2': { data: 2, tensor: 2 },
};
const split = { batch: ['data'], hidden: ['tensor'] };

describe.each(Object.entries(meshes))('%s', (_, mesh) => {
  describe.each([1, 3])('%i microbatches', (microbatches) => {
    test.each([
      ['even', { batch: 4, dim: 3, hidden: 8 }],
      ['5 rows and 7 hidden', { batch: 5, dim: 3, hidden: 7 }],
    ])('a perceptron of two layers, %s, equals one device under every schedule', (_name, sizes) => {
      for (const update of ['none', 'sgd', 'adamw'] as const) {
        const scenario = buildScenario({ ...mlp({ ...sizes, layers: 2, update }), mesh, split, microbatches });
        equalsSerial(scenario);
      }
    });
  });
});

function equalsSerial(scenario: Scenario): void {
  const serial = scenario.serial();
  const first = scenario.parallel();
  const ranks = first.ranks.map(({ rank }) => rank);
  const lanes = [...new Set(first.ranks.flatMap(({ queues }) => queues.map(({ lane }) => lane)))];
  const runs = adversaries(ranks, lanes).map((policy, i) => scenario.parallel({ policy, poison: i % 2 ? 0 : 0xff }));
  for (const run of [first, ...runs]) {
    expect(run.fault).toBeNull();
    expect(run.deadlock).toBeNull();
    const gathered = scenario.gather(run);
    if (differences(serial, gathered, 1e-12).length)
      console.log(printPlaced(scenario.placed.step), scenario.placed.update && printPlaced(scenario.placed.update));
    expect(differences(serial, gathered, 1e-12)).toEqual([]);
    // One order of sums whatever the schedule: the same bits.
    expect(gathered).toEqual(scenario.gather(first));
  }
}
