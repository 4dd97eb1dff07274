/** Pipeline stages of unlike meshes: activations cross as tiles, and the tied embedding is one parameter that two stages hold. */
import { describe, expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import type { PlanStage } from '../../src/plan/plan.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial } from './equals_serial.js';

const model = () => new GPT({ layers: 2, dim: 6, heads: 2, hidden: 5, context: 4, vocab: 7 });
const stages = (first: PlanStage['mesh'], second: PlanStage['mesh']): readonly PlanStage[] => [
  { segments: ['embedding', 'blocks.0'], mesh: first },
  { segments: ['blocks.1', 'head'], mesh: second },
];
const split = { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };

describe('two stages, 1F1B, tied embedding', () => {
  test('one rank each', () => {
    const { placed } = expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 3 }),
      stages: stages({}, {}),
      schedule: '1f1b',
      microbatches: 3,
    });
    const homes = placed.step.inputs.filter(({ name }) => name === 'embedding.weight');
    expect(homes.map(({ value }) => placed.step.values[value].stage)).toEqual([0, 1]);
  });

  test('data on the first, data × tensor on the second', () => {
    expectEqualsSerial({
      ...languageModel(model(), { batch: 2, sequence: 3 }),
      stages: stages({ data: 2 }, { data: 2, tensor: 2 }),
      split,
      schedule: '1f1b',
      microbatches: 4,
    });
  });

  test('three ranks, then two: no boundary of one is a boundary of the other', () => {
    expectEqualsSerial({
      ...languageModel(model(), { batch: 5, sequence: 2 }),
      stages: stages({ data: 3 }, { tensor: 2 }),
      split,
      schedule: '1f1b',
      microbatches: 2,
      zero: { stage: 1, axis: 'data' },
    });
  });
});
