/** What is asked once: equal layers, on groups of one kind. What prices tell apart is asked apart. */
import { expect, test } from 'vitest';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { GPT } from '../nn/models/index.js';
import { pipelineOf } from '../plan/plan.js';
import { defaultCosts, type PartitionCosts } from './costs.js';

/** A GPT of so many layers on each of two groups. */
function placedOn(layers: number, costs: PartitionCosts) {
  const model = new GPT({ layers: 2 * layers, dim: 8, heads: 4, context: 4, vocab: 8 });
  const blocks = Array.from({ length: 2 * layers }, (_, i) => `blocks.${i}`);
  const pipeline = pipelineOf([
    { segments: ['embedding', ...blocks.slice(0, layers)], mesh: { data: 2, tensor: 2 } },
    { segments: [...blocks.slice(layers), 'head'], mesh: { data: 2, tensor: 2 } },
  ]);
  const given = languageModel(model, { microbatches: 1, batch: 4, sequence: 4 });
  const split = { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };
  return buildScenario({ ...given, pipeline, split, schedule: '1f1b', microbatches: 2, costs }).placed;
}

test('equal layers ask once, on groups of one kind', () => {
  const asked = (layers: number): number => {
    let count = 0;
    const { seconds } = defaultCosts();
    placedOn(layers, { ...defaultCosts(), seconds: (work) => (count++, seconds(work)) });
    return count;
  };
  expect(asked(6)).toBe(asked(3));
});

test('a group of dear links chooses by its own prices, and the others by theirs', () => {
  const dearOn = (groups: readonly number[]): PartitionCosts => {
    const { seconds, communicationSeconds, ...others } = defaultCosts();
    const isDear = (group: number) => groups.includes(group);
    return {
      ...others,
      seconds: (work) => 1e3 * seconds(work),
      repeatSeconds: 0,
      kindOf: (group) => Number(isDear(group)),
      communicationSeconds: (what, group) => communicationSeconds(what, group) * (isDear(group) ? 1e3 : 1e-3),
    };
  };
  /** How the ops of blocks of a group are split. */
  const chosenOn = (group: number, costs: PartitionCosts): unknown =>
    placedOn(2, costs).step.steps.flatMap((step) =>
      step.kind === 'op' && step.group === group && step.source.segment.startsWith('blocks')
        ? [`${step.source.path} ${step.op} ${JSON.stringify(step.assignment)}`]
        : [],
    );
  expect(chosenOn(1, dearOn([1]))).toEqual(chosenOn(1, dearOn([0, 1])));
  expect(chosenOn(0, dearOn([1]))).toEqual(chosenOn(0, dearOn([])));
  expect(chosenOn(0, dearOn([]))).not.toEqual(chosenOn(0, dearOn([0, 1])));
});
