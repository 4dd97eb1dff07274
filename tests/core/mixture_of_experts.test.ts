import { describe, expect, test } from 'vitest';
import { Mixtral, type MixtralOptions } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { printLayout } from '../../src/ir/layout.js';
import { elementsOf } from '../../src/ir/type.js';
import { instructionsOf } from '../../src/program/unroll.js';
import type { Scenario } from '../scenarios/scenario.js';
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

/** Experts over ranks that share sequences, whose tokens queue in four groups; full ones drop tokens. */
describe('tokens of a sequence that ranks share', () => {
  const [dim, experts, choices, groups, capacity_factor] = [8, 4, 2, 4, 0.75];
  const grouped = (sequence = 8) => mixtral({ context: sequence, token_groups: groups, capacity_factor });
  const step = (microbatches: number, sequence = 8) =>
    languageModel(grouped(sequence), { microbatches, batch: 1, sequence });

  /**
   * What an exchange has on each rank: `experts · groups of the rank · capacity · dim` numbers, of which all but one part of as many
   * as there are ranks leave it.
   */
  const expectDispatch = (
    { program, placed }: Scenario,
    axes: readonly string[],
    groupsOfRank: number,
    tokens: number,
  ) => {
    const capacity = Math.ceil((capacity_factor * choices * tokens) / experts);
    for (const { values, templates } of program.classes) {
      const exchanges = templates.flatMap((template) =>
        instructionsOf(template).filter(
          (one) =>
            one.kind === 'collective' &&
            one.global.dims.flat().some(({ name }) => name === 'place') &&
            one.move.kind === 'all_to_all',
        ),
      );
      expect(exchanges).toHaveLength(4);
      for (const one of exchanges) {
        if (one.kind !== 'collective') continue;
        expect([...one.axes].sort()).toEqual([...axes].sort());
        for (const { value } of [one.input, one.output])
          expect(elementsOf(values[value].type)).toBe(experts * groupsOfRank * capacity * dim);
      }
    }
    // Nobody has all tokens of a microbatch, nor buffers for them, nor another's experts.
    for (const { type, layout } of placed.step.values) {
      const names = type.dims.flat().map(({ name }) => name);
      const over = Object.values(layout.splits).flatMap((split) => split.axes);
      const ofTokens =
        names.includes('place') || (names.includes('dim') && names.some((n) => /^(sequence|token)$/.test(n)));
      if (ofTokens || names.join() === 'experts,hidden,dim') expect([...over].sort()).toEqual([...axes].sort());
    }
  };

  /** What becomes of buffers on their way, in both directions. */
  const exchangesOf = ({
    placed: {
      step: { steps, values },
    },
  }: Scenario): readonly string[] =>
    steps.flatMap((one) => {
      if (one.kind !== 'move' || !values[one.inputs[0]].type.dims.flat().some(({ name }) => name === 'place'))
        return [];
      const [from, to] = [one.move.from, one.move.to]
        .map((layout) => printLayout(layout))
        .sort()
        .reverse();
      return [`${one.move.kind} ${from} ${to}`];
    });

  test.each(['none', 'head_tail'] as const)('context ranks, in the order %s', (order) => {
    const scenario = expectEqualsSerial({
      ...step(1),
      mesh: { context: 2 },
      split: { sequence: ['context'], experts: ['context'] },
      contextMethod: 'allgather',
      ...(order === 'head_tail' && { contextOrder: order }),
    });
    expectDispatch(scenario, ['context'], groups / 2, 2);
  });

  test('data and context ranks, in one exchange', () => {
    const scenario = expectEqualsSerial({
      ...step(2),
      mesh: { data: 2, context: 2 },
      split: { microbatch: ['data'], sequence: ['context'], experts: ['data', 'context'] },
      contextMethod: 'ring',
    });
    expectDispatch(scenario, ['data', 'context'], groups / 2, 2);
  });

  test('tensor ranks that share the sequence of what they do not split', () => {
    const scenario = expectEqualsSerial({
      ...step(1),
      mesh: { tensor: 2 },
      split: { heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'], sequence: ['tensor'], experts: ['tensor'] },
    });
    expect(exchangesOf(scenario)).toEqual(Array(4).fill('all_to_all {token_group:tensor} {experts:tensor}'));
  });

  test('context ranks, whose experts tensor ranks share: these gather what the others send, and scatter what they add up', () => {
    const scenario = expectEqualsSerial({
      ...step(1),
      mesh: { context: 2, tensor: 2 },
      split: {
        heads: ['tensor'],
        hidden: ['tensor'],
        vocab: ['tensor'],
        sequence: ['context', 'tensor'],
        experts: ['context'],
      },
      contextMethod: 'allgather',
    });
    const once = [
      'all_to_all {token_group:context*tensor} {experts:context}',
      'reduce_scatter {experts:context, token_group:tensor} {experts:context | sum:tensor}',
      'all_to_all {token_group:context*tensor} {experts:context, token_group:tensor}',
    ];
    expect(exchangesOf(scenario)).toEqual([...once, ...once]);
  });

  test('each expert shared by context ranks too: they gather what is sent to it, and scatter what they add up', () => {
    const scenario = expectEqualsSerial({
      ...step(2),
      mesh: { data: 2, context: 2 },
      split: { microbatch: ['data'], sequence: ['context'], hidden: ['context'], experts: ['data'] },
      contextMethod: 'allgather',
    });
    const once = [
      'all_to_all {microbatch:data, token_group:context} {experts:data}',
      'reduce_scatter {experts:data, token_group:context} {experts:data | sum:context}',
      'all_to_all {microbatch:data, token_group:context} {experts:data, token_group:context}',
    ];
    expect(exchangesOf(scenario)).toEqual([...once, ...once]);
    for (const { type, layout } of scenario.placed.step.values) {
      const names = type.dims.flat().map(({ name }) => name);
      if (names.join() === 'experts,hidden,dim')
        expect([layout.splits.experts?.axes, layout.splits.hidden?.axes]).toEqual([['data'], ['context']]);
    }
  });

  test('groups that ranks do not share evenly, or not as they are stored: tokens are gathered, and none is dropped otherwise', () => {
    const options = { mesh: { context: 3 }, split: { sequence: ['context'], experts: ['context'] } };
    expectEqualsSerial({ ...step(1), ...options, contextMethod: 'allgather' });
    const order = { contextMethod: 'allgather', contextOrder: 'head_tail' } as const;
    expectEqualsSerial({ ...step(1, 12), ...options, ...order });
  });
});
