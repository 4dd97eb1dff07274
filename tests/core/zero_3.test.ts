/** ZeRO-2 and ZeRO-3: what is stored, what is gathered and reduced when, and that the step is that of one device all the same. */
import { describe, expect, test } from 'vitest';
import { bytesOf, elementsOf } from '../../src/ir/type.js';
import { GPT, Llama } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { applyPrecision } from '../../src/passes/precision.js';
import { scopeOf } from '../../src/partition/placed.js';
import { pipelineOf, zeroStages, type ZeroPlan, type ZeroStage } from '../../src/plan/plan.js';
import { instructionsOf } from '../../src/program/unroll.js';
import { mostReadersAlive } from '../scenarios/gathers.js';
import { languageModel } from '../scenarios/language_model.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { expectEqualsSerial, movesOf, outputLayout } from './equals_serial.js';

// Sizes that two and three do not divide.
const model = new GPT({ layers: 2, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
const options = (stage: ZeroStage, data = 2, microbatches = 2): ScenarioOptions => ({
  ...languageModel(model, { batch: 4, sequence: 3 }),
  mesh: { data },
  split: { batch: ['data'] },
  microbatches,
  zero: { stage, axes: ['data'] },
});

/** Elements that a rank of the first class keeps between steps, by what they are. */
function storedElements({ program, placed }: Scenario) {
  const [{ values }] = program.classes;
  const state = (is: (name: string) => boolean) =>
    values.reduce((n, { name, type, lifetime, view }) => {
      return n + (lifetime === 'persistent' && !view && is(name) ? elementsOf(type) : 0);
    }, 0);
  const sums = values.filter(({ name, view }) => name.startsWith('sum gradient.') && !view);
  return {
    all: placed.buckets.reduce((n, { type }) => n + elementsOf(type), 0),
    parameters: state((name) => /^bucket\.\d+$/.test(name)),
    moments: state((name) => name.startsWith('optimizer.')),
    sums: sums.reduce((n, { type }) => n + elementsOf(type), 0),
  };
}

test.each([
  [0, { parameters: 1, moments: 2, sums: 1 }],
  [1, { parameters: 1, moments: 1, sums: 1 }],
  [2, { parameters: 1, moments: 1, sums: 0.5 }],
  [3, { parameters: 0.5, moments: 1, sums: 0.5 }],
] as const)('stage %i: what two ranks keep is that of the model times %o', (stage, shares) => {
  const { all, ...kept } = storedElements(expectEqualsSerial(options(stage)));
  for (const [what, share] of Object.entries(shares))
    expect([what, kept[what as keyof typeof kept]]).toEqual([what, share * all]);
});

test.each([1, 2, 3] as const)(
  'stage %i over data × context: ranks that share a sequence share its state too',
  (stage) => {
    const over = (axes: readonly string[]) =>
      storedElements(
        expectEqualsSerial({
          ...options(stage),
          mesh: { data: 2, context: 2 },
          split: { batch: ['data'], sequence: ['context'] },
          zero: { stage, axes },
        }),
      );
    const [one, both] = [over(['data']), over(['data', 'context'])];
    // Learned positions are split over the context ranks themselves: of them there is nothing more to split.
    const positions = 6 * 3;
    expect(one.moments).toBeGreaterThan(1.8 * both.moments);
    expect(both.moments).toBeLessThanOrEqual((2 * both.all) / 4 + positions);
    if (stage === 3) expect(both.parameters).toBeLessThanOrEqual(both.all / 4 + positions);
  },
);

/** Bytes of a parameter on a rank (Rajbhandari et al. 2020, §3), of Ψ that are whole and Ψ that are split over N ranks. */
describe.each([
  [
    'bf16',
    'bf16',
    [
      [16, 0],
      [4, 12],
      [2, 14],
      [0, 16],
    ],
  ],
  [
    'bf16',
    'f32',
    [
      [18, 0],
      [6, 12],
      [2, 16],
      [0, 18],
    ],
  ],
  [
    'f32',
    'f32',
    [
      [16, 0],
      [8, 8],
      [4, 12],
      [0, 16],
    ],
  ],
] as const)('bytes a parameter, computing in %s, gradients in %s', (compute, gradients, formulas) => {
  // All of its matrices are cast, and nothing else.
  const sizes = { layers: 2, dim: 16, heads: 2, hidden: 32, context: 4, vocab: 16 };
  const { step, ...rest } = languageModel(new Llama(sizes), { batch: 4, sequence: 3, dtype: 'f32' });
  const types = gradients === compute ? 'compute' : 'master';
  const graphs = { step: compute === 'bf16' ? applyPrecision(step, ops, 'bf16', types) : step, ...rest };
  const cases = zeroStages.flatMap((stage) => [2, 4].map((ranks) => [stage, ranks] as const));

  test.each(cases)('stage %i over %i ranks', (stage, ranks) => {
    const { program, placed } = buildScenario({ ...options(stage, ranks), ...graphs });
    const [{ values }] = program.classes;
    const buckets = placed.buckets.filter((bucket) => bucket.compute === compute && bucket.matrices);
    const lasting = values.filter(({ name, lifetime, view }) => {
      const bucket = buckets.some((one) => name === one.name || name.endsWith(`.${one.name}`));
      return !view && bucket && (lifetime === 'persistent' || lifetime === 'sum');
    });
    // The copy in the compute type that ops read, or at stage 3 is gathered from; what is gathered from at stages 1 and 2 dies before.
    const copies = values.filter(({ type, global, lifetime, view }) => {
      const isCut = elementsOf(type) < elementsOf(global);
      return type.dtype === 'bf16' && lifetime === 'step' && !view && isCut === (stage === 3);
    });
    const bytes = [...lasting, ...copies].reduce((n, { type }) => n + bytesOf(type), 0);
    const parameters = buckets.reduce((n, { type }) => n + elementsOf(type), 0);
    const [whole, split] = formulas[stage];
    expect(bytes).toBe(parameters * (whole + split / ranks));
  });
});

describe('stage 3', () => {
  test('weights are gathered for each segment in each direction, gradients reduced each microbatch', () => {
    const { placed } = expectEqualsSerial(options(3));
    const segments = placed.buckets.length;
    // The embedding's backward reads no weight.
    const gathers = placed.step.steps.filter((step) => step.kind === 'move' && step.move.kind === 'all_gather');
    const scopes = gathers.map(({ source }) => `${source.path} ${source.segment} ${source.phase}`);
    expect(new Set(scopes).size).toBe(scopes.length);
    expect(scopes.length).toBeGreaterThan(segments);
    expect(movesOf(placed.step)).toMatchObject({ reduce_scatter: segments });
    expect(movesOf(placed.update!).all_gather).toBeUndefined();
    for (const { name } of placed.buckets) expect(outputLayout(placed.update!, name)).toBe('{elements:data}');
  });

  test('in mixed precision the shard is cast once a step, and gathered in the compute type', () => {
    const { placed, program } = expectEqualsSerial(inMixedPrecision(options(3)), rounded);
    const { steps, values } = placed.step;
    const casts = steps.filter(
      (step) => step.kind === 'op' && step.op === 'cast' && step.source.path.startsWith('bucket.'),
    );
    expect(casts.length).toBeGreaterThan(0);
    expect(casts.every((step) => scopeOf(placed.step, step) === 'step')).toBe(true);
    const gathered = steps.flatMap((step) =>
      step.kind === 'move' && step.move.kind === 'all_gather' ? [values[step.inputs[0]].type.dtype] : [],
    );
    expect(gathered.filter((dtype) => dtype === 'f32').length).toBeGreaterThan(0);
    const [{ templates }] = program.classes;
    const castsIn = (first: boolean) =>
      templates
        .filter(({ name }) => name.includes('forward') && name.includes('.first') === first)
        .flatMap((template) =>
          instructionsOf(template).filter(
            (one) => one.kind === 'kernel' && one.op === 'cast' && one.source.path.startsWith('bucket.'),
          ),
        ).length;
    expect([castsIn(true), castsIn(false)]).toEqual([casts.length, 0]);
  });

  test('over three ranks with tensor parallelism', () => {
    const { placed } = expectEqualsSerial({
      ...options(3, 3),
      mesh: { data: 3, tensor: 2 },
      split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    });
    const layouts = placed.buckets.map(({ name }) => outputLayout(placed.update!, name));
    expect(layouts.some((layout) => layout.startsWith('{elements:tensor*data'))).toBe(true);
  });
});

test.each(['full', 'mixed'] as const)(
  'a tied weight of two groups is stored in parts on both, %s precision',
  (precision) => {
    const tied: ScenarioOptions = {
      ...options(3),
      mesh: undefined,
      pipeline: pipelineOf([
        { segments: ['embedding', 'blocks.0'], mesh: { data: 2 } },
        { segments: ['blocks.1', 'head'], mesh: { data: 3 } },
      ]),
      schedule: '1f1b',
      microbatches: 3,
    };
    const { placed, program } =
      precision === 'full' ? expectEqualsSerial(tied) : expectEqualsSerial(inMixedPrecision(tied), rounded);
    const { values, inputs, outputs } = placed.step;
    const parameters = inputs.filter(({ kind }) => kind === 'parameter');
    const { name: tiedBucket } = placed.buckets.find(({ members }) => members[0].name === 'embedding.weight')!;
    expect(parameters.filter(({ name }) => name === tiedBucket)).toHaveLength(2);
    const isWhole = (id: number) => Object.keys(values[id].layout.splits).length === 0;
    expect(parameters.filter(({ value }) => isWhole(value))).toEqual([]);
    expect(outputs.filter(({ name, value }) => name.startsWith('gradient.') && isWhole(value))).toEqual([]);
    for (const { values: table, before } of program.classes)
      expect(before.values.filter(({ at }) => elementsOf(table[at].type) === elementsOf(table[at].global))).toEqual([]);
  },
);

test('at stages 1 and 2 in mixed precision the master is stored in parts and its copy gathered once a step', () => {
  for (const stage of [1, 2] as const) {
    const { placed, program } = expectEqualsSerial(inMixedPrecision(options(stage)), rounded);
    const gathers = placed.step.steps.filter((step) => step.kind === 'move' && step.move.kind === 'all_gather');
    expect(gathers.length).toBeGreaterThan(0);
    expect(gathers.every((step) => scopeOf(placed.step, step) === 'step')).toBe(true);
    const collectives = ({ templates }: (typeof program.classes)[0], name: string) =>
      instructionsOf(templates.find((template) => template.name === name)!).flatMap((one) =>
        one.kind === 'collective' ? [one.move.kind] : [],
      );
    expect(collectives(program.classes[0], 'forward.first')).toHaveLength(gathers.length);
    expect(collectives(program.classes[0], 'forward')).toEqual([]);
  }
});

describe('how much of the weights is there whole at once', () => {
  const deep = new GPT({ layers: 5, dim: 8, heads: 2, hidden: 9, context: 3, vocab: 11 });
  const stage3 = (microbatches: number, zero: Partial<ZeroPlan>): ScenarioOptions => ({
    ...languageModel(deep, { batch: 4, sequence: 3 }),
    mesh: { data: 2 },
    split: { batch: ['data'] },
    microbatches,
    zero: { stage: 3, axes: ['data'], ...zero },
  });
  const cases = [1, 4].flatMap((microbatches) =>
    (['full', 'mixed'] as const).flatMap((precision) =>
      ([0, 1, 2] as const).map((prefetch) => [microbatches, precision, prefetch] as const),
    ),
  );

  test.each(cases)(
    '%i microbatches, %s precision, prefetch %i: of one segment more than that',
    (count, precision, prefetch) => {
      const options = stage3(count, { prefetch });
      const scenario = expectEqualsSerial(
        precision === 'mixed' ? inMixedPrecision(options) : options,
        precision === 'mixed' ? rounded : undefined,
      );
      expect(mostSegmentsAlive(scenario)).toBe(prefetch + 1);
    },
  );

  test('kept from the first forward to the last backward: gathered once, all of it', () => {
    const scenario = expectEqualsSerial(stage3(4, { reshard_after_forward: false }));
    const { step } = scenario.placed;
    const gathers = step.steps.filter((one) => one.kind === 'move' && one.move.kind === 'all_gather');
    expect(gathers).toHaveLength(scenario.placed.buckets.length);
    expect(gathers.every((one) => scopeOf(step, one) === 'step')).toBe(true);
    expect(mostSegmentsAlive(scenario)).toBeGreaterThanOrEqual(7);
  });
});

/** The most segments, each in one direction of a microbatch, whose gathered weights are there at once. */
const mostSegmentsAlive = ({ program }: Scenario): number => mostReadersAlive(program.classes[0]);

test('a step of stage 3 needs less memory than one of stage 1', () => {
  const large = new GPT({ layers: 4, dim: 16, heads: 2, context: 4, vocab: 11 });
  const arena = (stage: ZeroStage) =>
    Math.max(
      ...expectEqualsSerial({
        ...options(stage, 4, 2),
        ...languageModel(large, { batch: 4, sequence: 3 }),
      }).program.classes.map(({ arenaBytes }) => arenaBytes),
    );
  const [one, two, three] = [arena(1), arena(2), arena(3)];
  expect(two).toBeLessThan(one);
  expect(three).toBeLessThan(two);
});
