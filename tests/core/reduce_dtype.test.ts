/**
 * Gradients that are reduced in another type than they are summed in: to the bit what each rank's sum is, by itself, rounded to it and added
 * in the order of ranks.
 */
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/builder.js';
import type { DType } from '../../src/ir/dtype.js';
import { parameterRole } from '../../src/ir/role.js';
import { elementsOf } from '../../src/ir/type.js';
import { GPT, Llama } from '../../src/nn/models/index.js';
import { evaluate, referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import { roundTo } from '../../src/ops/round.js';
import { gradientInput, type UpdateRecipe } from '../../src/optim/update.js';
import { checkReductions } from '../../src/partition/check_reductions.js';
import { castPlaced } from '../../src/partition/cast_placed.js';
import type { PlacedGraph } from '../../src/partition/placed.js';
import { pipelineOf, zeroStages } from '../../src/plan/plan.js';
import { instructionsOf } from '../../src/program/unroll.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { buildScenario, type Scenario, type ScenarioOptions, type Values } from '../scenarios/scenario.js';
import { whim } from '../scenarios/whim.js';
import { expectEqualsSerial } from './equals_serial.js';

// Sizes that two and three do not divide.
const model = new GPT({ layers: 1, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
const [batch, sequence, microbatches] = [4, 3, 2];

/** Each parameter becomes its gradient. */
const gradients: UpdateRecipe = (parameters) => {
  const builder = new GraphBuilder(ops, 'gradients');
  builder.at({ phase: 'update', segment: 'optimizer' }, () => {
    for (const parameter of parameters) {
      const weight = builder.input(parameter.name, 'parameter', parameter.type);
      const gradient = gradientInput(builder, parameter);
      builder.within(parameter.name, () => {
        builder.output(parameterRole(parameter.name), weight.sub(weight).add(gradient));
      });
    }
  });
  return builder.build();
};

const options = (more: Partial<ScenarioOptions>): ScenarioOptions => ({
  ...languageModel(model, { batch, sequence }),
  update: gradients,
  mesh: { data: 2 },
  split: { batch: ['data'] },
  microbatches,
  costs: whim(1),
  memory: { moves: 2, searchNodes: 0 },
  ...more,
});

/** What each of `ranks` ranks makes of its own sequences of a microbatch, on one device. */
function ownGradients(given: Scenario, ranks: number, make: (full: ScenarioOptions) => ScenarioOptions) {
  const local = make({ ...languageModel(model, { batch: batch / ranks, sequence }) });
  const kernels = referenceKernels(ops);
  return (rank: number, microbatch: number): Values => {
    const inputs = local.step.inputs.map(({ name, kind, value }): [string, Float64Array] => {
      const all = given.inputs[name];
      const whole = all instanceof Float64Array ? all : all[microbatch];
      const size = elementsOf(local.step.values[value].type);
      return [name, kind === 'data' ? whole.slice(rank * size, (rank + 1) * size) : whole];
    });
    return evaluate(local.step, Object.fromEntries(inputs), kernels).outputs;
  };
}

const sum = (dtype: DType, parts: readonly Float64Array[]): Float64Array =>
  parts
    .map((part) => roundTo(dtype, part.slice()))
    .reduce((a, b) =>
      roundTo(
        dtype,
        a.map((x, i) => x + b[i]),
      ),
    );

describe.each(zeroStages)('stage %i', (stage) => {
  test.each([
    ['f64', 'bf16', { data: 2 }],
    ['f64', 'f32', { data: 4 }],
    ['f32', 'bf16', { data: 2 }],
    ['f32', 'f64', { data: 2 }],
    ['f64', 'bf16', { replica: 2, shard: 2 }],
    ['f32', 'f64', { replica: 2, shard: 2 }],
  ] as const)('summed in %s, reduced in %s, %o', (summed, reduce, mesh) => {
    const axes = Object.keys(mesh);
    const make = (full: ScenarioOptions): ScenarioOptions => ({
      ...(summed === 'f64' ? full : inMixedPrecision(full, 'compute')),
      update: gradients,
    });
    const zero = { stage, axes: [axes.at(-1)!] };
    const scenario = buildScenario(make(options({ mesh, split: { batch: axes }, reduce, zero })));
    const execution = scenario.parallel();
    expect(execution.fault).toBeNull();
    const found = scenario.gather(execution);
    const sizes: readonly number[] = Object.values(mesh);
    const shards = sizes.at(-1)!;
    const ranks = sizes.reduce((a, b) => a * b, 1);
    const own = ownGradients(scenario, ranks, make);
    const each = Array.from({ length: ranks }, (_, rank) => [0, 1].map((microbatch) => own(rank, microbatch)));
    for (const { role, name, value } of scenario.graphs.step.outputs) {
      if (role.kind !== 'gradient') continue;
      const dtype = scenario.graphs.step.values[value].type.dtype as keyof typeof unitRoundoff;
      const through = reduce;
      const microbatchesOf = (rank: number) => each[rank].map((outputs) => outputs[name]);
      const ofRanks = Array.from({ length: ranks }, (_, rank) => rank);
      const inside = (replica: number) => ofRanks.slice(replica * shards, (replica + 1) * shards);
      const replicas = Array.from({ length: ranks / shards }, (_, replica) => replica);
      const expected =
        stage < 2
          ? replicas.length === 1
            ? sum(
                through,
                ofRanks.map((rank) => sum(dtype, microbatchesOf(rank))),
              )
            : null
          : sum(
              replicas.length > 1 ? through : dtype,
              replicas.map((replica) =>
                sum(
                  dtype,
                  [0, 1].map((m) =>
                    sum(
                      through,
                      inside(replica).map((rank) => microbatchesOf(rank)[m]),
                    ),
                  ),
                ),
              ),
            );
      const total = sum('f64', ofRanks.flatMap(microbatchesOf));
      const size = sum(
        'f64',
        ofRanks.flatMap((rank) => microbatchesOf(rank).map((part) => part.map(Math.abs))),
      );
      const unit = Math.max(...([dtype, through] as const).map((type) => unitRoundoff[type]));
      const got = found[role.of];
      // A rounding of each addend, one of each sum of two, one of what is summed over microbatches and back.
      got.forEach((x, i) => expect(Math.abs(x - total[i])).toBeLessThanOrEqual((ranks + 3) * unit * size[i]));
      if (expected) expect([name, got]).toEqual([name, expected]);
    }
    expect(reducedIn(scenario)).toEqual(new Set([reduce]));
  });
});

const unitRoundoff: Readonly<Record<'bf16' | 'f32' | 'f64', number>> = { bf16: 2 ** -8, f32: 2 ** -24, f64: 2 ** -53 };

/** Element types of what collectives reduce of gradients. */
function reducedIn({ program }: Scenario): ReadonlySet<DType> {
  return new Set(
    program.classes.flatMap(({ templates, values }) =>
      templates.flatMap((template) =>
        instructionsOf(template).flatMap((one) => {
          const reduces = one.kind === 'collective' && one.reduction !== null && elementsOf(one.global) > 1;
          return reduces ? [values[one.input.value].type.dtype] : [];
        }),
      ),
    ),
  );
}

/** The step's and the update's casts of addends, and of what they were reduced to. */
const castsOf = ({ steps, values }: PlacedGraph): readonly string[] =>
  steps.flatMap((step) => {
    const isBuckets = step.kind === 'op' && /cast/.test(step.op) && /bucket\./.test(step.source.path);
    return isBuckets ? [`${step.op} ${values[step.inputs[0]].type.dtype} ${values[step.outputs[0]].type.dtype}`] : [];
  });

describe('where casts stand', () => {
  const casts = (stage: 0 | 2, more: Partial<ScenarioOptions>) => {
    const { placed } = expectEqualsSerial(options({ zero: { stage, axes: ['data'] }, ...more }), rough);
    return [placed.step, placed.update!].map((graph) => [...new Set(castsOf(graph))].sort());
  };
  const inF32 = { ...inMixedPrecision(options({}), 'compute'), update: gradients };

  test('at stage 0 in the update, once a step; at stage 2 in the step, each microbatch', () => {
    const narrow = ['cast f32 f64', 'cast_addends f64 f32'];
    expect(casts(0, { reduce: 'f32' })).toEqual([[], narrow]);
    expect(casts(2, { reduce: 'f32' })).toEqual([narrow, []]);
  });

  test('what is reduced in the type of the parameters is theirs without another cast', () => {
    expect(casts(0, { ...inF32, reduce: 'f64' })).toEqual([[], ['cast_addends f32 f64']]);
  });

  test('what is cast to the type of the parameters anyhow is so once', () => {
    expect(casts(0, { ...inF32, reduce: 'bf16' })).toEqual([
      [],
      ['cast bf16 f64', 'cast_addends f32 bf16', 'cast_addends f64 bf16'],
    ]);
  });

  test('a gradient that is whole where it is made is not rounded', () => {
    const scenario = expectEqualsSerial(
      options({ mesh: { data: 1, tensor: 2 }, split: { hidden: ['tensor'] }, reduce: 'bf16' }),
    );
    expect([scenario.placed.step, scenario.placed.update!].flatMap(castsOf)).toEqual([]);
  });
});

/** bf16 has 8 bits. */
const rough = { relative: 2 ** -6, floor: 2 ** -6 };

describe.each(zeroStages)('stage %i: equals serial', (stage) => {
  test.each([
    [
      'tensor parallelism',
      { mesh: { data: 2, tensor: 2 }, split: { batch: ['data'], heads: ['tensor'], vocab: ['tensor'] } },
    ],
    [
      'sequence parallelism',
      { mesh: { data: 2, tensor: 2 }, split: { batch: ['data'], heads: ['tensor'], sequence: ['tensor'] } },
    ],
    ['a weight split over the data axis by hand', { split: { batch: ['data'], dim: ['data'] } }],
  ])('%s', (_, more) => {
    expectEqualsSerial(options({ ...more, zero: { stage, axes: ['data'] }, reduce: 'f32' }), rounded);
  });

  test.each(['alike', 'unlike'] as const)('a tied weight of two groups, meshes %s', (meshes) => {
    const tied = new Llama({ layers: 1, dim: 8, heads: 2, hidden: 7, context: 3, vocab: 11, tied: true });
    const pipeline = pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 2, tensor: 1 } },
      { segments: ['head'], mesh: meshes === 'alike' ? { data: 2, tensor: 1 } : { data: 2, tensor: 2 } },
    ]);
    expectEqualsSerial(
      options({
        ...languageModel(tied, { batch, sequence }),
        update: gradients,
        mesh: undefined,
        pipeline,
        schedule: '1f1b',
        split: { batch: ['data'], dim: ['tensor'] },
        zero: { stage, axes: ['data'] },
        reduce: 'f32',
      }),
      rounded,
    );
  });
});

describe('the checker of reductions', () => {
  const { placed } = buildScenario(options({ reduce: 'f32', zero: { stage: 2, axes: ['data'] } }));
  const codes = (graph: PlacedGraph, reduce: DType) =>
    new Set(checkReductions(graph, ops, () => reduce).map(({ code }) => code));

  test('tells a gradient that is reduced in another type', () => {
    expect(codes(placed.step, 'f32')).toEqual(new Set());
    expect(codes(placed.step, 'bf16')).toEqual(
      new Set(['partition/reduced-in-another-type', 'partition/addends-rounded']),
    );
    const plain = buildScenario(options({ zero: { stage: 2, axes: ['data'] } })).placed.step;
    expect(codes(plain, 'f64')).toEqual(new Set());
    expect(codes(plain, 'f32')).toEqual(new Set(['partition/reduced-in-another-type']));
  });

  test('tells addends that are rounded of what is no gradient', () => {
    const { steps, values } = placed.step;
    const at = steps.findIndex(({ kind, source }) => kind === 'op' && source.phase === 'forward');
    const from = { ...values[steps[at].outputs[0]], layout: { splits: {}, partial: { data: 'sum' } as const } };
    const to = { ...from, id: values.length, type: { ...from.type, dtype: 'f32' as const } };
    const rounding = castPlaced(ops, from, to, steps[at].source);
    const mutant = { ...placed.step, values: [...values, to], steps: steps.toSpliced(at + 1, 0, rounding) };
    expect(codes(mutant, 'f32')).toEqual(new Set(['partition/addends-rounded']));
  });
});
