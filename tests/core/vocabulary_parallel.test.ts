import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, gradientLayout, opsOf, resultsOf } from './equals_serial.js';

// Eleven words over four ranks: blocks of two, three, three and three. The embedding is tied to the head.
const model = new GPT({ layers: 1, dim: 12, heads: 2, hidden: 5, context: 8, vocab: 11 });

test('embedding and cross-entropy over a split vocabulary', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(model, { batch: 1, sequence: 3 }),
    mesh: { tensor: 4 },
    split: { vocab: ['tensor'] },
  });
  const [lookup] = opsOf(placed.step, 'gather', 'embedding');
  expect(resultsOf(placed.step, lookup)).toEqual(['{| sum:tensor}']);
  // The fused loss needs the vocabulary whole: what runs are its parts.
  expect(opsOf(placed.step, 'softmax_cross_entropy')).toEqual([]);
  expect(resultsOf(placed.step, opsOf(placed.step, 'max', 'loss')[0])).toEqual(['{| max:tensor}']);
  // Its backward reduces nothing: the kernel is told where its words begin.
  const [backward] = opsOf(placed.step, 'softmax_cross_entropy_backward');
  expect(resultsOf(placed.step, backward)).toEqual(['{vocab:tensor}']);
  expect(gradientLayout(placed.step, 'embedding.weight')).toBe('{vocab:tensor}');
});

test('with data parallelism and padding', () => {
  const step = languageModel(model, { batch: 3, sequence: 4 });
  expectEqualsSerial({
    ...step,
    element: (input, index, microbatch) =>
      input.name === 'labels' && index % 5 === 0 ? -1 : step.element!(input, index, microbatch),
    mesh: { data: 2, tensor: 4 },
    split: { batch: ['data'], vocab: ['tensor'] },
    microbatches: 2,
  });
});
