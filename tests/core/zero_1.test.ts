import { expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { elementsOf } from '../../src/ir/type.js';
import type { Scenario } from '../scenarios/scenario.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, movesOf, outputLayout } from './equals_serial.js';

// Sizes that two and three do not divide.
const model = new GPT({ layers: 1, dim: 5, heads: 1, hidden: 7, context: 3, vocab: 11 });
const zero = { stage: 1, axes: ['data'] } as const;

/** Bytes of optimizer state on each class of ranks. */
const stateElements = ({ program }: Scenario): readonly number[] =>
  program.classes.map(({ values }) =>
    values.reduce((n, { name, type }) => n + (name.startsWith('optimizer.') ? elementsOf(type) : 0), 0),
  );

/** Parameters in each bucket. */
const memberCounts = ({ placed }: Scenario): readonly number[] =>
  placed.buckets.map(({ members }) => members.filter(({ isPadding }) => !isPadding).length);

test('optimizer state cut over the data ranks through the middle of tensors, three microbatches', () => {
  const scenario = expectEqualsSerial({
    ...languageModel(model, { batch: 3, sequence: 3 }),
    mesh: { data: 2 },
    split: { batch: ['data'] },
    microbatches: 3,
    zero,
  });
  const { placed } = scenario;
  const update = placed.update!;
  // Matrices and vectors: a collective each way for each, and a kernel, however many parameters there are.
  expect(memberCounts(scenario)).toEqual([10, 6]);
  expect(movesOf(update)).toMatchObject({ reduce_scatter: 2, all_gather: 2 });
  expect(update.steps.filter((step) => step.kind === 'op' && step.op === 'adamw')).toHaveLength(2);
  expect(outputLayout(update, 'optimizer.exp_avg.bucket.0')).toBe('{elements:data}');
  expect(outputLayout(update, 'bucket.0')).toBe('{}');
  // The step itself exchanges nothing: sums over microbatches stay partial until the update, the zeros of the padding too.
  expect(movesOf(placed.step)).toEqual({ mask: 1 });
  // Each rank holds half of both moments, in whole shards of 64 bytes.
  const stored = placed.buckets.reduce((n, { type }) => n + elementsOf(type), 0);
  for (const elements of stateElements(scenario)) expect(elements).toBe(stored);
  const parameters = placed.buckets.flatMap(({ members }) => members.filter(({ isPadding }) => !isPadding));
  const padding = stored - parameters.reduce((n, { type }) => n + elementsOf(type), 0);
  expect(padding).toBeLessThan(placed.buckets.length * 2 * 8);
});

test('over three ranks, with tensor parallelism: every rank cuts its own blocks', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(new GPT({ layers: 1, dim: 10, heads: 2, hidden: 7, context: 3, vocab: 11 }), {
      batch: 4,
      sequence: 2,
    }),
    mesh: { data: 3, tensor: 2 },
    split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    zero,
  });
  const states = placed.update!.outputs.filter(({ name }) => name.startsWith('optimizer.exp_avg.'));
  const layouts = states.map(({ name }) => outputLayout(placed.update!, name));
  // Seven hidden units and eleven tokens over two ranks: blocks of unlike sizes.
  expect(layouts.some((layout) => /^\{elements:tensor\*data\[/.test(layout))).toBe(true);
  expect(layouts.some((layout) => /^\{elements:data/.test(layout))).toBe(true);
});

test('more ranks than elements of a bucket: some hold padding alone', () => {
  const tiny = new GPT({ layers: 1, dim: 1, heads: 1, hidden: 1, context: 1, vocab: 2 });
  const { placed } = expectEqualsSerial({
    ...languageModel(tiny, { batch: 16, sequence: 1 }),
    mesh: { data: 16 },
    split: { batch: ['data'] },
    zero,
  });
  const elements = placed.buckets.map(({ members }) =>
    members.reduce((n, { type, isPadding }) => n + (isPadding ? 0 : elementsOf(type)), 0),
  );
  expect(Math.min(...elements)).toBeLessThan(16);
});
