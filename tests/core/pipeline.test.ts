/** Pipeline groups of unlike meshes: activations cross as tiles, and the tied embedding is one parameter that two groups hold. */
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/builder.js';
import { printLayout } from '../../src/ir/layout.js';
import { tensorType } from '../../src/ir/type.js';
import { ops } from '../../src/ops/index.js';
import { GPT } from '../../src/nn/models/index.js';
import { applyPrecision } from '../../src/passes/precision.js';
import type { Splits } from '../../src/partition/candidates.js';
import type { PlacedGraph } from '../../src/partition/placed.js';
import { pipelineOf, type PlanGroup } from '../../src/plan/plan.js';
import { descent } from '../scenarios/descent.js';
import { languageModel } from '../scenarios/language_model.js';
import { whim } from '../scenarios/whim.js';
import { expectEqualsSerial, movesOf } from './equals_serial.js';

const model = () => new GPT({ layers: 2, dim: 6, heads: 2, hidden: 5, context: 4, vocab: 7 });
const groups = (first: PlanGroup['mesh'], second: PlanGroup['mesh']) =>
  pipelineOf([
    { segments: ['embedding', 'blocks.0'], mesh: first },
    { segments: ['blocks.1', 'head'], mesh: second },
  ]);
const split = { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };

describe('two groups, 1F1B, tied embedding', () => {
  test('one rank each', () => {
    const { placed } = expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 3 }),
      pipeline: groups({}, {}),
      schedule: '1f1b',
      microbatches: 3,
    });
    // Activations cross once forward and once back a microbatch; the tied weight's gradient once a step, and the new weight back.
    expect(transfersOf(placed.step)).toEqual(['0 > 1', '1 > 0']);
    const update = placed.update!;
    const sent = update.steps.flatMap((step) => (step.kind === 'transfer' ? update.values[step.inputs[0]].name : []));
    expect(sent).toContain('gradient.embedding.weight @1');
    const homes = placed.step.inputs.filter(({ name }) => name === 'embedding.weight');
    expect(homes.map(({ value }) => placed.step.values[value].group)).toEqual([0, 1]);
  });

  test('data on the first, data × tensor on the second', () => {
    expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 3 }),
      pipeline: groups({ data: 2 }, { data: 2, tensor: 2 }),
      split,
      schedule: '1f1b',
      microbatches: 4,
    });
  });

  test('three ranks, then two: no boundary of one is a boundary of the other', () => {
    expectEqualsSerial({
      ...languageModel(model(), { batch: 5, sequence: 2 }),
      pipeline: groups({ data: 3 }, { tensor: 2 }),
      split,
      schedule: '1f1b',
      microbatches: 2,
      zero: { stage: 1, axes: ['data'] },
    });
  });
});

test('in bf16 each group casts its own copy of the tied weight: nothing but activations crosses in a microbatch', () => {
  const { step, element } = languageModel(model(), { batch: 2, sequence: 3, dtype: 'f32' });
  const { placed } = expectEqualsSerial(
    {
      step: applyPrecision(step, ops, 'bf16'),
      update: descent('f32'),
      element,
      pipeline: groups({}, {}),
      schedule: '1f1b',
      microbatches: 3,
    },
    // Two programs may round each activation the other way.
    { relative: 2 ** -5, floor: 0 },
  );
  expect(transfersOf(placed.step)).toEqual(['0 > 1', '1 > 0']);
  expect(placed.buckets.flatMap(({ members }) => members.map(({ name }) => name))).not.toContain('embedding.weight');
});

/** Between which groups values travel, in order. */
const transfersOf = ({ steps }: PlacedGraph): readonly string[] =>
  steps.flatMap((step) => (step.kind === 'transfer' ? [`${step.fromGroup} > ${step.group}`] : []));

test('a value that the next group wants in two layouts is sent once', () => {
  const builder = new GraphBuilder(ops, 'fork');
  const x = builder.input('x', 'data', tensorType('f64', { row: 4, col: 4 }));
  const y = builder.at({ segment: 'first' }, () => x.tanh());
  builder.at({ segment: 'second' }, () => {
    const byRow = builder.within('by_row', () => y.exp());
    const byCol = builder.within('by_col', () => y.square());
    builder.output('loss_sum', byRow.add(byCol).sum('row col'));
  });
  const hints: Readonly<Record<string, Splits>> = {
    by_row: { row: { axes: ['data'] } },
    by_col: { col: { axes: ['data'] } },
  };
  const { placed } = expectEqualsSerial({
    step: builder.build(),
    update: null,
    pipeline: pipelineOf([
      { segments: ['first'], mesh: { data: 2 } },
      { segments: ['second'], mesh: { data: 2 } },
    ]),
    split: { row: ['data'] },
    // Even where sending is free: a reshard waits for no other group.
    costs: { ...whim(1), transferSeconds: () => 0 },
    hint: ({ source }) => hints[source.path] ?? null,
  });
  const landings = placed.step.steps.filter((step) => step.kind === 'transfer').map((step) => step.outputs[0]);
  expect(landings.map((id) => printLayout(placed.step.values[id].layout))).toEqual(['{row:data}']);
  expect(movesOf(placed.step).all_to_all).toBeGreaterThan(0);
});
