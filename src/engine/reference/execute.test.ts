/** Small steps through the real passes, on virtual ranks, against one device. */
import { describe, expect, test } from 'vitest';
import { mlp } from '../../../tests/scenarios/mlp.js';
import {
  buildScenario,
  differences,
  differentBits,
  runSerial,
  type Scenario,
} from '../../../tests/scenarios/scenario.js';
import { adversaries, inOrder, type Policy } from './policy.js';

const meshes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'one device': {},
  'data: 2': { data: 2 },
  'tensor: 2': { tensor: 2 },
  'data: 4': { data: 4 },
  'tensor: 4': { tensor: 4 },
  'data: 2, tensor: 2': { data: 2, tensor: 2 },
};
/** Addresses by best fit alone: how low they are is another test's subject. */
const memory = { searchNodes: 0, moves: 20 };
const split = { batch: ['data'], hidden: ['tensor'] };
const even = { batch: 4, dim: 3, hidden: 8, layers: 2 };
/** 5 rows over 2 and 7 hidden units over 2: blocks of unequal sizes, and so classes of ranks. */
const uneven = { batch: 5, dim: 3, hidden: 7, layers: 2 };

describe.each(Object.entries(meshes))('a perceptron of two layers on %s', (_, mesh) => {
  test.each([
    ['even', even, 1],
    ['even', even, 3],
    ['uneven', uneven, 1],
    ['uneven', uneven, 3],
  ])('%s sizes %o, %i microbatches: equals one device', (_name, sizes, microbatches) => {
    equalsSerial(buildScenario({ ...mlp({ ...sizes, update: 'adamw' }), mesh, split, memory, microbatches }), [
      inOrder(),
    ]);
  });
});

test.each(['none', 'sgd'] as const)('the update %s: sums and parameters equal one device', (update) => {
  const mesh = { data: 2, tensor: 2 };
  equalsSerial(buildScenario({ ...mlp({ ...uneven, update }), mesh, split, memory, microbatches: 2 }), [inOrder()]);
});

test.each([
  ['data: 2', { data: 2 }, even],
  ['tensor: 2', { tensor: 2 }, uneven],
  ['data: 2, tensor: 2', { data: 2, tensor: 2 }, uneven],
] as const)('on %s every schedule of 3 microbatches gives the same bits', (_name, mesh, sizes) => {
  const scenario = buildScenario({ ...mlp({ ...sizes, update: 'adamw' }), mesh, split, memory, microbatches: 3 });
  equalsSerial(scenario, adversariesOf(scenario));
});

test('optimizer state split over data (ZeRO-1) changes nothing but where it lies', () => {
  const options = { ...mlp({ ...uneven, update: 'adamw' }), mesh: { data: 2 }, split, memory, microbatches: 2 };
  const scenario = buildScenario({ ...options, zero: { stage: 1, axes: ['data'] } });
  equalsSerial(scenario, adversariesOf(scenario));
  const stateBytes = ({ program }: Scenario) =>
    program.classes[0].values
      .filter(({ name, view }) => name.startsWith('optimizer.exp_avg.') && !view)
      .reduce((sum, { type }) => sum + type.dims.flat().reduce((n, f) => n * f.size, 8), 0);
  expect(stateBytes(scenario)).toBeLessThan(stateBytes(buildScenario(options)));
});

test('bf16 parameters and activations: ranks round as one device does, but for the order of sums', () => {
  const scenario = buildScenario({ ...mlp({ ...even, dtype: 'bf16', update: 'none' }), mesh: { tensor: 2 }, split });
  equalsSerial(scenario, [inOrder()], 2 ** -6);
});

test('microbatches of a step equal one batch of all their rows', () => {
  const small = buildScenario({ ...mlp({ ...uneven, update: 'sgd' }), microbatches: 3 });
  const whole = mlp({ ...uneven, batch: 15, update: 'sgd' });
  const joined = Object.fromEntries(
    Object.entries(small.inputs).map(([name, value]) => [
      name,
      value instanceof Float64Array ? value : [Float64Array.from(value.flatMap((part) => [...part]))],
    ]),
  );
  expect(differences(runSerial(whole, joined, 1), small.serial(), 1e-12)).toEqual([]);
});

function equalsSerial(scenario: Scenario, policies: readonly Policy[], relative = 1e-12): void {
  const serial = scenario.serial();
  const first = scenario.gather(scenario.parallel());
  expect(differences(serial, first, relative)).toEqual([]);
  policies.forEach((policy, i) => {
    const run = scenario.parallel({ policy, poison: i % 2 ? 0xff : 0 });
    expect(run.fault).toBeNull();
    expect(run.deadlock).toBeNull();
    // Sums have one order whatever the schedule: the same bits.
    expect(differentBits(first, scenario.gather(run)), policy.name).toBeNull();
  });
}

function adversariesOf(scenario: Scenario): readonly Policy[] {
  const { ranks } = scenario.parallel();
  const lanes = new Set(ranks.flatMap(({ queues }) => queues.map(({ lane }) => lane)));
  return adversaries(
    ranks.map(({ rank }) => rank),
    [...lanes],
  );
}
