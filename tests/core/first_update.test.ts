/**
 * The first step from fresh optimizer state, where AdamW divides each gradient by its own size: what is rounding becomes a full step.
 * The key bias is exempt: softmax does not see a shift of all scores, so its true gradient is zero.
 */
import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { adamwScalars } from '../../src/optim/adamw.js';
import { adamw } from '../../src/optim/options.js';
import { departures } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { buildScenario, type Values } from '../scenarios/scenario.js';

test.each([
  ['data', { data: 2 }],
  ['tensor', { tensor: 2 }],
  ['data × tensor', { data: 2, tensor: 2 }],
  ['data × tensor on eight ranks', { data: 4, tensor: 2 }],
])('%s', (_, mesh) => {
  const optimizer = adamw({ lr: 1e-3 });
  const scalars: Readonly<Record<string, number>> = { ...adamwScalars(optimizer, 0, 10) };
  const model = new GPT({ layers: 1, dim: 12, heads: 3, hidden: 10, context: 4, vocab: 11 });
  const step = languageModel(model, { batch: 4, sequence: 4 }, optimizer);
  const scenario = buildScenario({
    ...step,
    element: (input, index, microbatch) =>
      input.kind === 'state' ? 0 : (scalars[input.name] ?? step.element!(input, index, microbatch)),
    mesh,
    split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    microbatches: 2,
    zero: { stage: 1, axes: ['data'] },
    memory: { moves: 20, searchNodes: 0 },
  });
  const parameters = (values: Values): Values =>
    Object.fromEntries(
      Object.entries(values)
        .filter(([name]) => !name.startsWith('optimizer.'))
        .map(([name, value]) => [name, name.endsWith('qkv.bias') ? withoutKeys(value) : value]),
    );
  expect(departures(parameters(scenario.serial()), parameters(scenario.gather(scenario.parallel())))).toEqual([]);
});

/** qkv.bias is (qkv=3 heads head_dim): the keys are its second third. */
const withoutKeys = (bias: Float64Array): Float64Array =>
  bias.map((x, i) => (Math.floor((3 * i) / bias.length) === 1 ? 0 : x));
