import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { firstDeparture, gatherPlaced } from '../scenarios/placed_executor.js';
import { runPlacedStep } from '../scenarios/placed_scenario.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, opsOf } from './equals_serial.js';

const model = new GPT({ layers: 2, dim: 6, heads: 2, hidden: 5, context: 4, vocab: 7, dropout: 0.4 });

test('what is dropped is what one device drops, under data × tensor, and the kernel stays fused', () => {
  const scenario = expectEqualsSerial({
    ...languageModel(model, { microbatches: 2, batch: 3, sequence: 4 }),
    mesh: { data: 2, tensor: 2 },
    split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'] },
    microbatches: 2,
  });
  // One after the embedding, two in each block, and the same again in the backward: no mask is kept.
  const dropped = ['dropout', 'dropout_backward'].map((op) => opsOf(scenario.placed.step, op));
  expect(dropped.map((steps) => steps.length)).toEqual([5, 5]);
  expect(opsOf(scenario.placed.step, 'random_uniform')).toEqual([]);
  const steps = dropped.flat();
  for (const step of steps) expect(Object.keys(step.assignment.splits)).toContain('batch');
  const runs = runPlacedStep(scenario);
  const zeros = (values: ArrayLike<number>) => Array.from(values, (x) => x === 0);
  for (const run of runs.slice(0, 2)) {
    expect(firstDeparture(run)).toBeNull();
    for (const { outputs } of steps) {
      expect(zeros(gatherPlaced(run, outputs[0]))).toEqual(zeros(run.serial[outputs[0]]));
    }
  }
  // Another microbatch has other numbers.
  const [first] = steps[0].outputs;
  expect(zeros(runs[0].serial[first])).not.toEqual(zeros(runs[1].serial[first]));
});

test('tokens split by sequence', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(model, { batch: 2, sequence: 4 }),
    mesh: { tensor: 2 },
    split: { sequence: ['tensor'], hidden: ['tensor'] },
  });
  expect(opsOf(placed.step, 'random_uniform')).toEqual([]);
});
