/** Ops with several results, of which one lacks a factor that another has: the same axis splits one and leaves the other a sum. */
import { expect, test } from 'vitest';
import { GPT, Llama } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, opsOf, resultsOf } from './equals_serial.js';

test('backward of a norm over split tokens: the gradient of its input split, those of gain and bias sums', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(new GPT({ layers: 1, dim: 6, heads: 2, hidden: 8, context: 4, vocab: 7 }), {
      batch: 2,
      sequence: 4,
    }),
    mesh: { tensor: 2 },
    split: { sequence: ['tensor'], hidden: ['tensor'] },
  });
  const [norm] = opsOf(placed.step, 'layer_norm_backward', 'norm2');
  expect(resultsOf(placed.step, norm)).toEqual(['{sequence:tensor}', '{| sum:tensor}', '{| sum:tensor}']);
});

test('backward of attention over split query heads that share a key head: dq split, dk and dv sums', () => {
  const multiQuery = new Llama({ layers: 1, dim: 8, heads: 4, kv_heads: 1, hidden: 8, context: 4, vocab: 7 });
  const { placed } = expectEqualsSerial({
    ...languageModel(multiQuery, { batch: 2, sequence: 3 }),
    mesh: { data: 2, tensor: 4 },
    split: { batch: ['data'], group: ['tensor'], hidden: ['tensor'] },
  });
  const [attention] = opsOf(placed.step, 'attention_backward');
  expect(resultsOf(placed.step, attention)).toEqual([
    '{batch:data, group:tensor}',
    '{batch:data | sum:tensor}',
    '{batch:data | sum:tensor}',
  ]);
});
