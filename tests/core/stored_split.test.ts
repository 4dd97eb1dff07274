/** Where a parameter is stored in parts says nothing about how its ops are split: a plan may store over an axis that shares out data. */
import { expect, test } from 'vitest';
import { printLayout } from '../../src/ir/layout.js';
import { Llama } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial } from './equals_serial.js';

const model = () =>
  languageModel(new Llama({ layers: 2, dim: 8, heads: 2, kv_heads: 2, hidden: 12, context: 4, vocab: 12 }), {
    batch: 2,
    sequence: 4,
  });

test.each([
  ['one axis', { data: 2 }, { batch: ['data'] }],
  ['beside tensor parallelism', { data: 2, tensor: 2 }, { batch: ['data'], heads: ['tensor'], hidden: ['tensor'] }],
])('weights stored along dim over the data ranks: activations stay split by batch, %s', (_, mesh, split) => {
  const { placed } = expectEqualsSerial({ ...model(), mesh, split: { ...split, dim: ['data'] } });
  const withoutStorage = expectEqualsSerial({ ...model(), mesh, split });
  const activations = ({ step }: typeof placed) =>
    step.values.flatMap(({ type, layout }) =>
      type.dims.flat().some(({ name }) => name === 'batch') ? [printLayout(layout, type)] : [],
    );
  for (const layout of activations(placed)) expect(layout).not.toMatch(/dim:data/);
  expect(new Set(activations(placed))).toEqual(new Set(activations(withoutStorage.placed)));
});
