/** When gradients are reduced: each microbatch's, or their sums with the last, at any stage. */
import { describe, expect, test } from 'vitest';
import { hashText } from '../../src/ir/hash.js';
import { elementsOf } from '../../src/ir/type.js';
import { GPT } from '../../src/nn/models/index.js';
import type { PlacedGraph } from '../../src/partition/placed.js';
import { gradientReductions, pipelineOf, zeroStages, type ZeroPlan, type ZeroStage } from '../../src/plan/plan.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial } from './equals_serial.js';

// Sizes that two and three do not divide.
const model = new GPT({ layers: 1, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
const options = (zero: Omit<ZeroPlan, 'axes'>, more: Partial<ScenarioOptions> = {}): ScenarioOptions => ({
  ...languageModel(model, { batch: 4, sequence: 3 }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
  microbatches: 3,
  zero: { axes: ['data'], ...zero },
  ...more,
});

/** The reductions of gradients in a graph, each sort once. */
const reductionsOf = ({ steps, values }: PlacedGraph): readonly string[] => [
  ...new Set(
    steps.flatMap((step) => {
      const isGradients = step.kind === 'move' && /gradient\.bucket\./.test(values[step.inputs[0]].name);
      return isGradients && /reduce/.test(step.move.kind) ? [`${step.move.kind} over ${step.move.axes.join()}`] : [];
    }),
  ),
];

/** Elements of sums of gradients that a rank keeps while a step goes on, over those of all buckets. */
function keptSums({ program, placed }: Scenario): number {
  const [{ values }] = program.classes;
  const kept = values.filter(({ lifetime, view, name }) => lifetime === 'sum' && !view && name.includes('bucket.'));
  const all = placed.buckets.reduce((n, { type }) => n + elementsOf(type), 0);
  return kept.reduce((n, { type }) => n + elementsOf(type), 0) / all;
}

describe.each(zeroStages)('stage %i', (stage) => {
  const reduction = stage === 0 ? 'all_reduce over data' : 'reduce_scatter over data';

  test('each: reduced in the step, the sums a share of them where state is split', () => {
    const scenario = expectEqualsSerial(options({ stage, reduce_gradients: 'each' }));
    expect(reductionsOf(scenario.placed.step)).toEqual([reduction]);
    expect(reductionsOf(scenario.placed.update!)).toEqual([]);
    expect(keptSums(scenario)).toBe(stage === 0 ? 1 : 1 / 2);
  });

  test('last: reduced in the update, a whole sum on every rank until then', () => {
    const scenario = expectEqualsSerial(options({ stage, reduce_gradients: 'last' }));
    expect(reductionsOf(scenario.placed.step)).toEqual([]);
    expect(reductionsOf(scenario.placed.update!)).toEqual([reduction]);
    expect(keptSums(scenario)).toBe(1);
  });

  test('what is left out is the default of the stage', () => {
    const programOf = (zero: Partial<ZeroPlan>) =>
      hashText(JSON.stringify(buildScenario(options({ stage, ...zero })).program));
    const by = Object.fromEntries(gradientReductions.map((one) => [one, programOf({ reduce_gradients: one })]));
    expect(by.each).not.toBe(by.last);
    expect(programOf({})).toBe(stage < 2 ? by.last : by.each);
  });

  test.each(gradientReductions)('%s: in mixed precision, on replicas of shards, reduced in another type', (one) => {
    const zero = { stage, reduce_gradients: one, axes: ['shard'] };
    const mesh = { replica: 2, shard: 2 };
    const mixed = inMixedPrecision(options(zero, { mesh, split: { batch: ['replica', 'shard'] } }), 'compute');
    const { placed } = expectEqualsSerial({ ...mixed, reduce: 'f64' }, rounded);
    const inStep = stage === 0 ? 'all_reduce over shard' : 'reduce_scatter over shard';
    expect(reductionsOf(placed.step)).toEqual(one === 'each' ? [inStep] : []);
  });

  test.each(gradientReductions)('%s: in a pipeline of unlike meshes', (one) => {
    const pipeline = pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 2 } },
      { segments: ['head'], mesh: { data: 3 } },
    ]);
    expectEqualsSerial(options({ stage, reduce_gradients: one }, { mesh: undefined, pipeline, schedule: '1f1b' }));
  });
});

test('stage 1 that reduces each microbatch is stage 2, and stage 2 that reduces once is stage 1', () => {
  const programOf = (stage: ZeroStage, one: ZeroPlan['reduce_gradients']) =>
    hashText(JSON.stringify(buildScenario(options({ stage, reduce_gradients: one })).program));
  for (const one of gradientReductions) expect(programOf(1, one)).toBe(programOf(2, one));
});
