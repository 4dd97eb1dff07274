import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, gradientLayout, movesOf, opsOf, resultsOf } from './equals_serial.js';

const model = () => new GPT({ layers: 1, dim: 14, heads: 7, hidden: 9, context: 4, vocab: 10 });
const step = { ...languageModel(model(), { batch: 2, sequence: 3 }), mesh: { tensor: 2 } };

test('seven heads over two ranks, five and two: one product makes q, k and v of each', () => {
  const bounds = { heads: [0, 5, 7] };
  const { placed } = expectEqualsSerial({ ...step, split: { heads: ['tensor'], hidden: ['tensor'] }, bounds });
  const [attention] = opsOf(placed.step, 'attention');
  expect(resultsOf(placed.step, attention)[0]).toBe('{heads:tensor[0,5,7]}');
  expect(gradientLayout(placed.step, 'blocks.0.attention.qkv.weight')).toBe('{heads:tensor[0,5,7]}');
  // Forward and backward of attention and of the MLP: four sums of activations, as in Megatron-LM, and the loss is whole.
  // And biases whose gradients are whole are masked, to be summed with those that are not.
  expect(movesOf(placed.step)).toEqual({ all_reduce: 4, mask: 4 });
});

test('seven heads over two ranks, as even as can be', () => {
  const { placed } = expectEqualsSerial({ ...step, split: { heads: ['tensor'] } });
  expect(resultsOf(placed.step, opsOf(placed.step, 'attention')[0])[0]).toBe('{heads:tensor}');
});

test('more ranks than heads leave some with nothing', () => {
  const three = new GPT({ layers: 1, dim: 6, heads: 3, hidden: 9, context: 4, vocab: 10 });
  expectEqualsSerial({
    ...languageModel(three, { batch: 2, sequence: 3 }),
    mesh: { tensor: 4 },
    split: { heads: ['tensor'], hidden: ['tensor'] },
  });
});
