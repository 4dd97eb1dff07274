import { describe, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial } from './equals_serial.js';

const model = new GPT({ layers: 1, dim: 6, heads: 2, hidden: 5, context: 3, vocab: 7 });

describe('the loss is a sum over tokens, so ranks may have unequal shares', () => {
  test('five sequences over two ranks', () =>
    void expectEqualsSerial({
      ...languageModel(model, { batch: 5, sequence: 3 }),
      mesh: { data: 2 },
      split: { batch: ['data'] },
      microbatches: 2,
    }));

  test('five sequences over two ranks, four and one', () =>
    void expectEqualsSerial({
      ...languageModel(model, { batch: 5, sequence: 3 }),
      mesh: { data: 2 },
      split: { batch: ['data'] },
      bounds: { batch: [0, 4, 5] },
    }));

  test('two sequences over four ranks: two have none', () =>
    void expectEqualsSerial({
      ...languageModel(model, { batch: 2, sequence: 3 }),
      mesh: { data: 4 },
      split: { batch: ['data'] },
    }));

  test('three logical microbatches over two ranks', () =>
    void expectEqualsSerial({
      ...languageModel(model, { microbatches: 3, batch: 2, sequence: 3 }),
      mesh: { data: 2, tensor: 2 },
      split: { microbatch: ['data'], heads: ['tensor'], hidden: ['tensor'] },
    }));
});
