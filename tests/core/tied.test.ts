/** A parameter of several chunks under ZeRO: a tied embedding is alone in a bucket, on every group that reads it. */
import { describe, expect, test } from 'vitest';
import { elementsOf } from '../../src/ir/type.js';
import { GPT } from '../../src/nn/models/index.js';
import { piecesOf } from '../../src/partition/packing.js';
import { pipelineOf, type ZeroStage } from '../../src/plan/plan.js';
import { scheduleKinds } from '../../src/schedule/kinds.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { pipelineUnder } from '../scenarios/pipelines.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial } from './equals_serial.js';

const split = { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };
const weight = 'embedding.weight';

const onTwoGroups = (
  stage: ZeroStage,
  meshes: readonly [Readonly<Record<string, number>>, Readonly<Record<string, number>>],
  batch = 3,
): ScenarioOptions => ({
  ...languageModel(new GPT({ layers: 2, dim: 6, heads: 2, hidden: 5, context: 2, vocab: 11 }), { batch, sequence: 2 }),
  pipeline: pipelineOf([
    { segments: ['embedding', 'blocks.0'], mesh: meshes[0] },
    { segments: ['blocks.1', 'head'], mesh: meshes[1] },
  ]),
  split,
  schedule: '1f1b',
  microbatches: 2,
  zero: { stage, axes: ['data'] },
});

/** The bucket of the tied weight on each group, which holds nothing else. */
function tiedIn({ placed: { step, buckets } }: Pick<Scenario, 'placed'>) {
  const records = buckets.filter(({ members }) => members.some(({ name }) => name === weight));
  for (const { members } of records) expect(members.filter(({ isPadding }) => !isPadding)).toHaveLength(1);
  const orders = records.map(({ group, members }) =>
    JSON.stringify(piecesOf(step.meshes[group], members).map(({ tile, start }) => [tile, start])),
  );
  expect(new Set(orders).size).toBeLessThanOrEqual(1);
  return records.map(({ group, contributors }) => [group, contributors]);
}

describe.each([1, 2, 3] as const)('stage %i', (stage) => {
  test('two groups of unlike numbers of shards, one order of elements', () => {
    const options = onTwoGroups(stage, [{ data: 2 }, { data: 3 }]);
    const both = [
      [0, [0]],
      [1, [1]],
    ];
    expect(tiedIn(expectEqualsSerial(options))).toEqual(both);
    expect(tiedIn(expectEqualsSerial(inMixedPrecision(options), rounded))).toEqual(both);
  });

  test('as many classes with five data ranks as with two', () => {
    const classes = [2, 5].map((data) => {
      const mesh = { data, tensor: 2 };
      const scenario = buildScenario(onTwoGroups(stage, [mesh, mesh], data));
      expect(tiedIn(scenario)).toHaveLength(2);
      return scenario.program.classes.length;
    });
    expect(classes[1]).toBe(classes[0]);
  });
});

test('groups that split it otherwise have other orders: it is in no bucket', () => {
  expect(tiedIn(expectEqualsSerial(onTwoGroups(2, [{ data: 2 }, { data: 2, tensor: 2 }])))).toEqual([]);
});

test('only the last group cuts it: the first, which updates it, keeps it whole', () => {
  const { placed, program } = expectEqualsSerial(onTwoGroups(3, [{}, { data: 2 }]));
  expect(tiedIn({ placed })).toHaveLength(2);
  const stored = program.classes.map(({ before, values }) =>
    before.values.flatMap(({ at }) => {
      const { name: own, tensors, type, global } = values[at];
      const isTied = own === weight || tensors?.some(({ name }) => name === weight);
      return isTied ? [elementsOf(global) / elementsOf(type)] : [];
    }),
  );
  expect(stored).toEqual([[1], [2], [2]]);
});

describe.each([...scheduleKinds.keys()])('%s', (kind) => {
  const segments = ['embedding', 'blocks.0', 'blocks.1', 'head'];
  const model = () => new GPT({ layers: 2, dim: 4, heads: 2, hidden: 3, context: 2, vocab: 5 });

  test.each([1, 3] as const)('stage %i, two groups of two data ranks', (stage) => {
    const scenario = expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 2 }),
      pipeline: pipelineUnder(kind, [{ data: 2 }, { data: 2 }], segments),
      split,
      schedule: kind,
      microbatches: 4,
      zero: { stage, axes: ['data'] },
    });
    const contributors = tiedIn(scenario).flatMap(([, chunks]) => chunks);
    expect(contributors).toHaveLength(2);
  });
});
