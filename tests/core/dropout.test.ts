import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { firstDeparture, gatherPlaced } from '../scenarios/placed_executor.js';
import { runPlacedStep } from '../scenarios/placed_scenario.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, opsOf } from './equals_serial.js';

const model = new GPT({ layers: 2, dim: 6, heads: 2, hidden: 5, context: 4, vocab: 7, dropout: 0.4 });

test('random numbers are those of one device, bit for bit, under data × tensor', () => {
  const scenario = expectEqualsSerial({
    ...languageModel(model, { microbatches: 2, batch: 3, sequence: 4 }),
    mesh: { data: 2, tensor: 2 },
    split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'] },
    microbatches: 2,
  });
  const random = opsOf(scenario.placed.step, 'random_uniform');
  // One after the embedding, two in each block, and the same again in the backward: no mask is kept.
  expect(random).toHaveLength(10);
  for (const step of random) expect(Object.keys(step.assignment.splits)).toContain('batch');
  const runs = runPlacedStep(scenario);
  for (const run of runs.slice(0, 2)) {
    expect(firstDeparture(run)).toBeNull();
    for (const { outputs } of random) expect(gatherPlaced(run, outputs[0])).toEqual(run.serial[outputs[0]]);
  }
  // Another microbatch has other numbers.
  expect(runs[0].serial[random[0].outputs[0]]).not.toEqual(runs[1].serial[random[0].outputs[0]]);
});

test('tokens split by sequence', () => {
  expectEqualsSerial({
    ...languageModel(model, { batch: 2, sequence: 4 }),
    mesh: { tensor: 2 },
    split: { sequence: ['tensor'], hidden: ['tensor'] },
  });
});
