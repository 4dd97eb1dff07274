/** More tensor ranks than key/value heads: ranks share these, and divide their query heads. */
import { expect, test } from 'vitest';
import { Llama } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, opsOf } from './equals_serial.js';

const model = (kv_heads: number, heads: number) =>
  languageModel(new Llama({ layers: 1, dim: 4 * heads, heads, kv_heads, hidden: 12, context: 16, vocab: 13 }), {
    batch: 2,
    sequence: 16,
  });
const both = ['tensor.0', 'tensor.1'];

test.each([
  [2, 4],
  [3, 9],
] as const)('%i key/value heads of %i heads over 2 × 2 ranks', (kv_heads, heads) => {
  const { placed } = expectEqualsSerial({
    ...model(kv_heads, heads),
    mesh: { 'tensor.0': 2, 'tensor.1': 2 },
    split: { kv_group: ['tensor.0'], group: ['tensor.1'], hidden: both, vocab: both },
  });
  for (const op of ['attention', 'attention_backward']) {
    const [{ assignment }] = opsOf(placed.step, op);
    const splits = Object.entries(assignment.splits).map(([factor, { axes }]) => [factor, axes]);
    expect(Object.fromEntries(splits)).toEqual({ kv_group: ['tensor.0'], group: ['tensor.1'] });
  }
});

test('one key/value head over three ranks, sequences split too', () => {
  const { placed } = expectEqualsSerial({
    ...model(1, 3),
    mesh: { tensor: 3 },
    split: { group: ['tensor'], hidden: ['tensor'], vocab: ['tensor'], sequence: ['tensor'] },
  });
  const [{ assignment }] = opsOf(placed.step, 'attention');
  expect(Object.keys(assignment.splits)).toEqual(['group']);
});
