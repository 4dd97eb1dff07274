/** Casts under bf16: a partial sum may pass through a cast that widens, never through one that narrows. */
import { expect, test } from 'vitest';
import { ops } from '../../src/ops/index.js';
import { applyPrecision } from '../../src/passes/precision.js';
import { GPT } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial } from './equals_serial.js';

/** Half a unit in the last of bf16's eight digits, relative. */
const bf16 = 2 ** -9;

test('a bf16 step under data × tensor is the serial bf16 step to bf16, its sums of gradients in f32', () => {
  const model = new GPT({ layers: 1, dim: 8, heads: 2, hidden: 6, context: 4, vocab: 7 });
  const { step, element } = languageModel(model, { batch: 3, sequence: 4, dtype: 'f32' });
  const { placed } = expectEqualsSerial(
    {
      step: applyPrecision(step, ops, 'bf16'),
      update: null,
      element,
      mesh: { data: 2, tensor: 2 },
      split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
      microbatches: 2,
    },
    // Between two programs every activation may round the other way: the errors of one forward and backward add up as a random walk.
    { relative: 16 * bf16, floor: 4 * bf16 },
  );
  const { values, outputs } = placed.step;
  for (const { name, value } of outputs) {
    if (!name.startsWith('gradient.')) continue;
    expect(values[value].type.dtype, name).toBe('f32');
    expect(values[value].layout.partial.data ?? 'sum', name).toBe('sum');
  }
  // What is summed over ranks within the step: activations in bf16, what must be exact in f32.
  const narrow = placed.step.steps.filter(
    (s) => s.kind === 'op' && s.op === 'cast' && values[s.outputs[0]].type.dtype === 'bf16',
  );
  expect(narrow.length).toBeGreaterThan(0);
  for (const cast of narrow) expect(values[cast.inputs[0]].layout.partial).toEqual({});
});
