import { expect, test } from 'vitest';
import { Mixtral, type MixtralOptions } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, movesOf, opsOf } from './equals_serial.js';

const mixtral = (options: Partial<MixtralOptions> = {}) =>
  new Mixtral({ layers: 1, dim: 8, heads: 2, hidden: 16, context: 4, vocab: 9, experts: 4, choices: 2, ...options });

test('experts over the ranks that split the tokens: dispatch and combine are all-to-alls', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(mixtral(), { microbatches: 2, batch: 1, sequence: 4 }),
    mesh: { data: 2 },
    split: { microbatch: ['data'], experts: ['data'] },
  });
  // Two in the forward, two in the backward.
  expect(movesOf(placed.step).all_to_all).toBe(4);
  const [product] = opsOf(placed.step, 'swiglu');
  expect(Object.keys(product.assignment.splits)).toEqual(['experts']);
});

test('experts of one axis, their hidden layer over another', () => {
  expectEqualsSerial({
    ...languageModel(mixtral(), { microbatches: 2, batch: 2, sequence: 3 }),
    mesh: { data: 2, tensor: 2 },
    split: { microbatch: ['data'], experts: ['data'], hidden: ['tensor'], heads: ['tensor'] },
    microbatches: 2,
  });
});

test('five experts over two ranks, full ones drop tokens', () => {
  expectEqualsSerial({
    ...languageModel(mixtral({ experts: 5, capacity_factor: 0.5 }), { microbatches: 1, batch: 2, sequence: 4 }),
    mesh: { expert: 2 },
    split: { experts: ['expert'] },
  });
});
