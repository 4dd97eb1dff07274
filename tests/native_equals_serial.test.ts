/**
 * Steps on the native engine, one engine a rank that talk over Gloo (on GPUs over NCCL), against the same steps on one device of the reference engine: the
 * scenarios of `scenarios/hard_cases.test.ts` as far as the addon's kernels and collectives take part in them. In f64, so that only
 * the order of sums differs.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ranksOrOne, testOfRanks } from '../src/engine/native/testing/tests_by_device.js';
import { gatherValues } from '../src/engine/reference/shards.js';
import { GPT, Llama, Mixtral } from '../src/nn/models/index.js';
import { contextMethods } from '../src/plan/context_methods.js';
import { pipelineOf, ranksOf } from '../src/plan/plan.js';
import { scheduleKinds } from '../src/schedule/kinds.js';
import { anyTraining, ranksOfDraw, trainingScenario, type TrainingDraw } from './arbitraries/training.js';
import { departures, inMixedPrecision, rounded, type Tolerance } from './laws/parallel_equals_serial.js';
import { languageModel } from './scenarios/language_model.js';
import { mlp } from './scenarios/mlp.js';
import { nativeScenario, runNatively } from './scenarios/native_step.js';
import { pipelineUnder } from './scenarios/pipelines.js';
import { differences, planOf, type ScenarioOptions } from './scenarios/scenario.js';

const shape = { batch: 3, sequence: 4 };
const gpt = (options: Partial<ConstructorParameters<typeof GPT>[0]> = {}) =>
  languageModel(new GPT({ layers: 2, dim: 8, heads: 2, context: 8, vocab: 11, ...options }), shape);
const llama = () =>
  languageModel(new Llama({ layers: 1, dim: 12, heads: 6, kv_heads: 2, hidden: 7, context: 8, vocab: 11 }), shape);
const tensor = { heads: ['tensor'], kv_heads: ['tensor'], kv_group: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };
const stages = (...meshes: readonly Record<string, number>[]) =>
  pipelineOf([
    { segments: ['embedding', 'blocks.0'], mesh: meshes[0] },
    { segments: ['blocks.1', 'head'], mesh: meshes[1] },
  ]);

describe('perceptrons', () => {
  const uneven = mlp({ batch: 5, dim: 3, hidden: 7, layers: 2, update: 'adamw' });
  const split = { batch: ['data'], hidden: ['tensor'] };
  const meshes = {
    'one rank': {},
    'data over 2, 5 rows': { data: 2 },
    'tensor over 2, 7 hidden units': { tensor: 2 },
    'data × tensor': { data: 2, tensor: 2 },
  };
  for (const [name, mesh] of Object.entries(meshes)) equalsSerial(name, { ...uneven, mesh, split, microbatches: 2 });
});

describe('language models', () => {
  equalsSerial('one rank', { ...gpt(), microbatches: 2 });
  equalsSerial('heads and vocabulary over 2: 11 words', {
    ...gpt(),
    mesh: { tensor: 2 },
    split: tensor,
    microbatches: 2,
  });
  equalsSerial('grouped heads with rotary positions, one rank', { ...llama(), microbatches: 2 });
  equalsSerial('grouped heads with rotary positions, data × tensor', {
    ...llama(),
    mesh: { data: 2, tensor: 2 },
    split: { batch: ['data'], ...tensor },
  });
  equalsSerial('the residual stream split by sequence over the tensor ranks', {
    ...gpt({ layers: 1 }),
    mesh: { tensor: 2 },
    split: { ...tensor, sequence: ['tensor'] },
  });
  equalsSerial('the sequence split for attention too: keys and values are gathered, from slices of one product', {
    ...gpt(),
    mesh: { context: 2 },
    split: { sequence: ['context'] },
    microbatches: 2,
  });
  equalsSerial('two key/value heads over 2 × 2 tensor ranks, which divide their query heads', {
    ...llama(),
    mesh: { 'tensor.0': 2, 'tensor.1': 2 },
    split: { kv_group: ['tensor.0'], group: ['tensor.1'], hidden: ['tensor.0', 'tensor.1'], vocab: ['tensor.0'] },
  });
  const kept = { batch: 2, sequence: 7, documents: 'separate' } as const;
  const rope_scaling = { rope_type: 'yarn', factor: 4 } as const;
  const far = new Llama({
    ...{ layers: 1, dim: 16, heads: 4, kv_heads: 2, hidden: 7, context: 8, vocab: 11 },
    ...{ window: 4, sinks: true, rope_scaling },
  });
  for (const contextMethod of ['allgather', 'ring'] as const)
    equalsSerial(`documents kept apart, sinks, a window, yarn: ${contextMethod}`, {
      ...languageModel(far, kept),
      ...{ mesh: { context: 2 }, split: { sequence: ['context'] }, contextMethod },
    });
  for (const positions of ['alibi', 'relative'] as const)
    equalsSerial(`positions: ${positions}, heads over 2, two chunks`, {
      ...languageModel(new GPT({ layers: 2, dim: 16, heads: 4, context: 8, vocab: 11, positions }), kept),
      ...{ pipeline: stages({ tensor: 2 }, {}), split: tensor, schedule: '1f1b', microbatches: 2 },
    });
  for (const [contextMethod, contextOrder] of [
    ...contextMethods.map((method) => [method, undefined] as const),
    ['allgather', 'head_tail'] as const,
    ['ring', 'head_tail'] as const,
  ]) {
    equalsSerial(`sequences of 5 over context × tensor, ${contextMethod} ${contextOrder ?? ''}, with dropout`, {
      ...languageModel(new GPT({ layers: 2, dim: 8, heads: 4, context: 8, vocab: 11, dropout: 0.3 }), {
        batch: 3,
        sequence: 5,
      }),
      mesh: { context: 2, tensor: 2 },
      split: { ...tensor, sequence: ['context', 'tensor'] },
      contextMethod,
      ...(contextOrder && { contextOrder }),
      scopes: [{ of: '*', made: 'reshard', keep: 'segment and direction', ops: 'all' }],
      microbatches: 2,
    });
  }
  for (const contextOrder of [undefined, 'head_tail'] as const) {
    equalsSerial(`sequences of 2 on a ring of 4, ${contextOrder ?? 'in order'}: some ranks hold nothing`, {
      ...languageModel(new GPT({ layers: 1, dim: 8, heads: 2, context: 8, vocab: 11 }), { batch: 3, sequence: 2 }),
      mesh: { context: 4 },
      split: { sequence: ['context'] },
      contextMethod: 'ring',
      ...(contextOrder && { contextOrder }),
    });
  }
  equalsSerial('more ranks than rows: some hold nothing', {
    ...gpt({ layers: 1 }),
    mesh: { data: 4 },
    split: { batch: ['data'] },
  });
  for (const stage of [1, 2, 3] as const) {
    const zero = { mesh: { data: 2 }, split: { batch: ['data'] }, zero: { stage, axes: ['data'] } };
    equalsSerial(`ZeRO-${stage}`, { ...gpt(), ...zero, microbatches: 2 });
    equalsSerial(`ZeRO-${stage} in mixed precision`, inMixedPrecision({ ...gpt(), ...zero, microbatches: 2 }), rounded);
  }
  for (const stage of [1, 3] as const) {
    equalsSerial(`ZeRO-${stage} in two replicas of two shards`, {
      ...gpt({ layers: 1 }),
      mesh: { replica: 2, shard: 2 },
      split: { batch: ['replica', 'shard'] },
      zero: { stage, axes: ['shard'] },
      microbatches: 2,
    });
  }
  equalsSerial('ZeRO-3 over data × tensor', {
    ...gpt(),
    mesh: { data: 2, tensor: 2 },
    split: { batch: ['data'], ...tensor },
    zero: { stage: 3, axes: ['data'] },
  });
  equalsSerial('dropout, one rank', { ...gpt({ dropout: 0.3 }), microbatches: 2 });
  equalsSerial('dropout, data over 2', {
    ...gpt({ dropout: 0.3 }),
    mesh: { data: 2 },
    split: { batch: ['data'] },
    microbatches: 2,
  });
});

describe('mixtures of experts', () => {
  const mixtral = (options: Partial<ConstructorParameters<typeof Mixtral>[0]> = {}) => {
    const model = { layers: 1, dim: 8, heads: 2, hidden: 12, context: 8, vocab: 11, experts: 4, choices: 2 };
    return languageModel(new Mixtral({ ...model, ...options }), { microbatches: 2, batch: 2, sequence: 4 });
  };
  equalsSerial('one rank', mixtral());
  equalsSerial('one rank, full experts drop tokens', mixtral({ experts: 5, capacity_factor: 0.5 }));
  equalsSerial('experts over the ranks that split the tokens: dispatch and combine are all-to-alls', {
    ...mixtral(),
    mesh: { data: 2 },
    split: { microbatch: ['data'], experts: ['data'] },
  });
  equalsSerial('five experts over 2, full ones drop tokens', {
    ...mixtral({ experts: 5, capacity_factor: 0.5 }),
    mesh: { tensor: 2 },
    split: { experts: ['tensor'] },
    microbatches: 2,
  });
  equalsSerial('data × tensor, hidden layers of experts over tensor', {
    ...mixtral(),
    mesh: { data: 2, tensor: 2 },
    split: { microbatch: ['data'], experts: ['data'], ...tensor },
  });
});

describe('pipelines', () => {
  const tied = { ...gpt(), schedule: '1f1b' as const, microbatches: 3 };
  equalsSerial('two stages with 1F1B and a tied embedding', { ...tied, pipeline: stages({}, {}) });
  const parts = [['embedding', 'blocks.0'], ['blocks.1'], ['head']];
  equalsSerial('three stages, of which the middle one talks to both others', {
    ...tied,
    pipeline: pipelineOf(parts.map((segments) => ({ segments, mesh: {} }))),
  });
  equalsSerial('stages of unlike meshes: data over 2 before tensor over 2', {
    ...tied,
    pipeline: stages({ data: 2 }, { tensor: 2 }),
    split: { batch: ['data'], ...tensor },
  });
});

describe('every schedule', () => {
  const segments = ['embedding', 'blocks.0', 'blocks.1', 'blocks.2', 'blocks.3', 'head'];
  /** Four layers with a tied embedding, in as many chunks as the schedule wants on groups of these meshes. */
  const scheduled = (kind: string, ...meshes: readonly Record<string, number>[]): ScenarioOptions => {
    return {
      ...gpt({ layers: 4 }),
      pipeline: pipelineUnder(kind, meshes, segments),
      split: { batch: ['data'], ...tensor },
      schedule: kind,
      microbatches: 4,
    };
  };
  for (const kind of scheduleKinds.keys()) equalsSerial(`${kind}, two groups of one rank`, scheduled(kind, {}, {}));
  for (const kind of ['interleaved', 'zb-v'])
    equalsSerial(`${kind}, data over 2 and tensor over 2`, scheduled(kind, { data: 2 }, { tensor: 2 }));
});

// RUNS=100 npx vitest run tests/native_equals_serial searches longer.
const most = ranksOrOne(4);
test(`random models and plans, ranks at most ${most}`, async () => {
  const ranks = ({ meshes }: TrainingDraw) => meshes.reduce((sum, mesh) => sum + ranksOfDraw(mesh), 0);
  const law = fc.asyncProperty(
    anyTraining().filter((draw) => ranks(draw) <= most),
    async (draw) => {
      const scenario = nativeScenario(trainingScenario(draw));
      const blocks = await runNatively(scenario);
      expect(departures(scenario.serial(), gatherValues(scenario.program, blocks))).toEqual([]);
    },
  );
  await fc.assert(law, { seed: 5, numRuns: Number(process.env.RUNS ?? 10) });
});

/** Declares the test of a scenario, on as many ranks as its plan has. */
function equalsSerial(name: string, options: ScenarioOptions, tolerance?: Tolerance): void {
  testOfRanks(ranksOf(planOf(options)))(name, async () => {
    const scenario = nativeScenario(options);
    const blocks = await runNatively(scenario);
    const [serial, parallel] = [scenario.serial(), gatherValues(scenario.program, blocks)];
    expect(tolerance ? departures(serial, parallel, tolerance) : differences(serial, parallel, 1e-9)).toEqual([]);
  });
}
