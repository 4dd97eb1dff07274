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

test('experts over some of the data ranks, sharded by ZeRO over the others', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(mixtral(), { microbatches: 4, batch: 1, sequence: 4 }),
    mesh: { 'data.replica': 2, 'data.expert': 2 },
    split: { microbatch: ['data.replica', 'data.expert'], experts: ['data.expert'] },
    zero: { stage: 1, axes: ['data.replica', 'data.expert'] },
  });
  const all = placed.step.steps.flatMap((step) => (step.kind === 'move' ? [step] : []));
  const exchanges = all.filter(({ move }) => move.kind === 'all_to_all');
  expect(exchanges).toHaveLength(4);
  // No rank ever has another's experts, nor the tokens of all ranks.
  const { values } = placed.step;
  const splitsOf = (id: number) => values[id].layout.splits;
  for (const { type, layout } of values) {
    const names = type.dims.flat().map(({ name }) => name);
    if (names.includes('experts') && names.includes('hidden'))
      expect(layout.splits.experts?.axes).toEqual(['data.expert']);
    if (names.includes('sequence') && names.includes('dim')) expect(Object.keys(layout.splits)).toEqual(['microbatch']);
  }
  for (const { inputs, outputs } of exchanges)
    expect([inputs[0], outputs[0]].map((id) => Object.keys(splitsOf(id)).sort())).toContainEqual([
      'experts',
      'microbatch',
    ]);
  // The state of experts is split over the replicas alone, that of the rest over both.
  const cuts = placed.buckets.map(({ members, state }) => [
    members.some(({ name }) => /gate|up|down/.test(name)),
    Object.values(state.splits)[0].axes.length,
  ]);
  expect(cuts).toContainEqual([true, 2]);
  expect(cuts).toContainEqual([false, 2]);
});

test('experts of one axis, their hidden layer over another', () => {
  expectEqualsSerial({
    ...languageModel(mixtral(), { microbatches: 2, batch: 2, sequence: 3 }),
    mesh: { data: 2, tensor: 2 },
    split: { microbatch: ['data'], experts: ['data'], hidden: ['tensor'], heads: ['tensor'] },
    microbatches: 2,
  });
});

test('experts over data ranks and some of the tensor ranks, their hidden layer over the others', () => {
  const { placed } = expectEqualsSerial({
    ...languageModel(mixtral(), { microbatches: 2, batch: 1, sequence: 3 }),
    mesh: { 'data.replica': 1, data: 2, 'tensor.0': 2, 'tensor.1': 2 },
    split: {
      microbatch: ['data'],
      heads: ['tensor.0'],
      hidden: ['tensor.0', 'tensor.1'],
      vocab: ['tensor.0', 'tensor.1'],
      experts: ['data', 'tensor.0'],
    },
  });
  const { values } = placed.step;
  for (const { type, layout } of values) {
    const names = type.dims.flat().map(({ name }) => name);
    if (names.join() !== 'experts,hidden,dim') continue;
    // No rank ever has another's experts, nor all of the features of its own.
    expect(layout.splits.experts?.axes).toEqual(['data', 'tensor.0']);
    expect(layout.splits.hidden?.axes).toEqual(['tensor.1']);
  }
});

test('five experts over two ranks, full ones drop tokens', () => {
  expectEqualsSerial({
    ...languageModel(mixtral({ experts: 5, capacity_factor: 0.5 }), { microbatches: 1, batch: 2, sequence: 4 }),
    mesh: { expert: 2 },
    split: { experts: ['expert'] },
  });
});
