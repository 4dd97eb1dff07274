import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, movesOf, outputLayout } from './equals_serial.js';

// Sizes that two and three do not divide.
const model = new GPT({ layers: 1, dim: 5, heads: 1, hidden: 7, context: 3, vocab: 11 });
const zero = { stage: 1, axis: 'data' } as const;

test('optimizer state split over the data ranks, three microbatches', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(model, { batch: 3, sequence: 3 }),
    mesh: { data: 2 },
    split: { batch: ['data'] },
    microbatches: 3,
    zero,
  });
  const update = placed.update!;
  expect(outputLayout(update, 'optimizer.exp_avg.blocks.0.mlp.up.weight')).toBe('{hidden:data}');
  expect(outputLayout(update, 'blocks.0.mlp.up.weight')).toBe('{}');
  // Every gradient is reduced into its part, every parameter gathered from them; only scalars are summed on all.
  const parameters = update.inputs.filter(({ kind }) => kind === 'parameter').length;
  expect(movesOf(update)).toMatchObject({ reduce_scatter: parameters, all_gather: parameters });
  // The step itself exchanges nothing: sums over microbatches stay partial until the update.
  expect(movesOf(placed.step)).toEqual({});
});

test('over three ranks, with tensor parallelism', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(new GPT({ layers: 1, dim: 10, heads: 2, hidden: 7, context: 3, vocab: 11 }), {
      batch: 4,
      sequence: 2,
    }),
    mesh: { data: 3, tensor: 2 },
    split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    zero,
  });
  const state = outputLayout(placed.update!, 'optimizer.exp_avg_sq.blocks.0.mlp.up.weight');
  expect(state).toBe('{hidden:tensor, dim:data}');
});
