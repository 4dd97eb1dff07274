/** What lies together in a bucket: no more than the plan says, and of ZeRO-3 what is gathered alike. */
import { expect, test } from 'vitest';
import { scopeOf } from '../../src/partition/placed.js';
import { bytesOf, elementsOf } from '../../src/ir/type.js';
import { GPT } from '../../src/nn/models/index.js';
import type { Bucket } from '../../src/partition/buckets.js';
import type { ZeroPlan, ZeroStage } from '../../src/plan/plan.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { buildScenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial } from './equals_serial.js';

const model = new GPT({ layers: 2, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
const options = (zero: Partial<ZeroPlan> & { readonly stage: ZeroStage }): ScenarioOptions => ({
  ...languageModel(model, { batch: 4, sequence: 3 }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
  microbatches: 2,
  zero: { axes: ['data'], ...zero },
});

const parametersOf = ({ members }: Bucket) => members.filter(({ isPadding }) => !isPadding);
const namesOf = (buckets: readonly Bucket[]) =>
  buckets.flatMap((bucket) => parametersOf(bucket).map(({ name }) => name));

test.each([0, 1, 2, 3] as const)(
  'stage %i: buckets hold no more bytes than they may, but for larger parameters alone',
  (stage) => {
    const all = namesOf(buildScenario(options({ stage })).placed.buckets).sort();
    let fewer = 0;
    for (const bucket_bytes of [1, 400, 1000, 1e9]) {
      const { buckets } = buildScenario(options({ stage, bucket_bytes })).placed;
      const sizes = buckets.map((bucket) => parametersOf(bucket).map(({ type }) => bytesOf(type)));
      for (const bytes of sizes) {
        const sum = bytes.reduce((a, b) => a + b, 0);
        expect(sum <= bucket_bytes || bytes.length === 1).toBe(true);
      }
      expect(namesOf(buckets).sort()).toEqual(all);
      if (fewer > 0) expect(buckets.length).toBeLessThan(fewer);
      fewer = buckets.length;
    }
    expect(fewer).toBe(buildScenario(options({ stage })).placed.buckets.length);
  },
);

test('equal layers have equal buckets, however few bytes these may hold', () => {
  const deep = languageModel(new GPT({ layers: 4, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 }), {
    batch: 4,
    sequence: 3,
  });
  for (const bucket_bytes of [400, 1000, 1500]) {
    const { buckets } = buildScenario({ ...options({ stage: 1, bucket_bytes }), ...deep }).placed;
    const inLayer = (layer: number) =>
      buckets
        .filter((bucket) => namesOf([bucket]).every((name) => name.startsWith(`blocks.${layer}.`)))
        .map((bucket) => namesOf([bucket]).map((name) => name.replace(`blocks.${layer}.`, '')));
    if (inLayer(1).length > 0) expect(inLayer(2)).toEqual(inLayer(1));
  }
});

test('buckets of few bytes train as one device does', () => {
  for (const stage of [1, 3] as const) expectEqualsSerial(options({ stage, bucket_bytes: 400 }));
});

test.each(['full', 'mixed'] as const)('stage 3, %s precision: parameters of fewer elements stay whole', (precision) => {
  const persistence_threshold = 20;
  const { placed } =
    precision === 'full'
      ? expectEqualsSerial(options({ stage: 3, persistence_threshold }))
      : expectEqualsSerial(inMixedPrecision(options({ stage: 3, persistence_threshold })), rounded);
  const [small, large] = [true, false].map((isSmall) =>
    placed.buckets.filter((bucket) => {
      const which = new Set(parametersOf(bucket).map(({ type }) => elementsOf(type) < persistence_threshold));
      expect(which.size).toBe(1);
      return which.has(isSmall);
    }),
  );
  expect(small.length).toBeGreaterThan(0);
  expect(large.length).toBeGreaterThan(0);
  const { steps } = placed.step;
  const scopesOf = (buckets: readonly Bucket[]) =>
    steps.flatMap((step) =>
      step.kind === 'move' && step.move.kind === 'all_gather' && buckets.some(({ name }) => name === step.source.path)
        ? [scopeOf(placed.step, step)]
        : [],
    );
  expect(new Set(scopesOf(large))).toEqual(new Set(['segment and direction']));
  // The update gathers what is stored in the type that ops read; the copy in another type is gathered once a step.
  expect(new Set(scopesOf(small))).toEqual(new Set(precision === 'full' ? [] : ['step']));
});
