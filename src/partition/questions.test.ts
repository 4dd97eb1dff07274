/** What is asked once: equal layers, on groups of one kind. What prices tell apart is asked apart. */
import { expect, test } from 'vitest';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { placeScenario } from '../../tests/scenarios/placed_scenario.js';
import { GPT } from '../nn/models/index.js';
import { pipelineOf } from '../plan/plan.js';
import { tensorType } from '../ir/type.js';
import { parseLayout } from '../ir/layout.js';
import type { ReshardSearch } from '../reshard/search.js';
import { defaultCosts, reshardSearches, type PartitionCosts } from './costs.js';

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
  return placeScenario({ ...given, pipeline, split, schedule: '1f1b', microbatches: 2, costs }).placed;
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

test('a group of another kind pays its own prices', () => {
  const { communicationSeconds, ...others } = defaultCosts();
  const costs: PartitionCosts = {
    ...others,
    kindOf: (group) => Number(group === 1),
    communicationSeconds: (what, group) => communicationSeconds(what, group) * (group === 1 ? 10 : 1),
  };
  const mesh = { axes: [{ name: 'tensor', size: 2 }] };
  const [first, dear, third] = reshardSearches([mesh, mesh, mesh], costs);
  const type = tensorType('f32', { dim: 8 });
  const seconds = (search: ReshardSearch) => search.seconds(type, parseLayout('{dim:tensor}'), parseLayout('{}'));
  expect(seconds(dear)).toBeCloseTo(10 * seconds(first), 12);
  expect(seconds(third)).toBe(seconds(first));
});
