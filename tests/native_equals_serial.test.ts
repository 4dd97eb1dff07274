/**
 * Steps on the native engine, one engine a rank that talk over Gloo, against the same steps on one device of the reference engine: the
 * scenarios of `scenarios/hard_cases.test.ts` as far as the addon's kernels and collectives take part in them. In f64, so that only
 * the order of sums differs.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NativeEngine } from '../src/engine/native/engine.js';
import { freePort } from '../src/engine/native/testing/ranks.js';
import type { RankBlocks } from '../src/engine/reference/execute.js';
import { gatherValues } from '../src/engine/reference/shards.js';
import { GPT, Llama, Mixtral } from '../src/nn/models/index.js';
import { ops } from '../src/ops/index.js';
import { anyTraining, trainingScenario, type TrainingDraw } from './arbitraries/training.js';
import { departures } from './laws/parallel_equals_serial.js';
import { languageModel } from './scenarios/language_model.js';
import { mlp } from './scenarios/mlp.js';
import { classOfRank, nativeScenario, runRankStep, type NativeScenario } from './scenarios/native_step.js';
import { differences, type ScenarioOptions } from './scenarios/scenario.js';

const shape = { batch: 3, sequence: 4 };
const gpt = (options: Partial<ConstructorParameters<typeof GPT>[0]> = {}) =>
  languageModel(new GPT({ layers: 2, dim: 8, heads: 2, context: 8, vocab: 11, ...options }), shape);
const llama = () =>
  languageModel(new Llama({ layers: 1, dim: 12, heads: 6, kvHeads: 2, hidden: 7, context: 8, vocab: 11 }), shape);
const tensor = { heads: ['tensor'], kv_heads: ['tensor'], kv_group: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };
const stages = (...meshes: readonly Record<string, number>[]) => [
  { segments: ['embedding', 'blocks.0'], mesh: meshes[0] },
  { segments: ['blocks.1', 'head'], mesh: meshes[1] },
];

describe('perceptrons', () => {
  const uneven = mlp({ batch: 5, dim: 3, hidden: 7, layers: 2, update: 'adamw' });
  const split = { batch: ['data'], hidden: ['tensor'] };
  test.each([
    ['one rank', {}],
    ['data over 2, 5 rows', { data: 2 }],
    ['tensor over 2, 7 hidden units', { tensor: 2 }],
    ['data × tensor', { data: 2, tensor: 2 }],
  ])('%s', (_, mesh) => equalsSerial({ ...uneven, mesh, split, microbatches: 2 }));
});

describe('language models', () => {
  test('one rank', () => equalsSerial({ ...gpt(), microbatches: 2 }));
  test('heads and vocabulary over 2: 11 words', () =>
    equalsSerial({ ...gpt(), mesh: { tensor: 2 }, split: tensor, microbatches: 2 }));
  test('grouped heads with rotary positions, data × tensor', () =>
    equalsSerial({ ...llama(), mesh: { data: 2, tensor: 2 }, split: { batch: ['data'], ...tensor } }));
  test('the residual stream split by sequence over the tensor ranks', () =>
    equalsSerial({ ...gpt({ layers: 1 }), mesh: { tensor: 2 }, split: { ...tensor, sequence: ['tensor'] } }));
  test('the sequence split for attention too: keys and values are gathered, from slices of one product', () =>
    equalsSerial({ ...gpt(), mesh: { context: 2 }, split: { sequence: ['context'] }, microbatches: 2 }));
  test('more ranks than rows: some hold nothing', () =>
    equalsSerial({ ...gpt({ layers: 1 }), mesh: { data: 4 }, split: { batch: ['data'] } }));
  test('ZeRO-1', () =>
    equalsSerial({ ...gpt(), mesh: { data: 2 }, split: { batch: ['data'] }, zero: { stage: 1, axis: 'data' } }));
  test('dropout', () =>
    equalsSerial({ ...gpt({ dropout: 0.3 }), mesh: { data: 2 }, split: { batch: ['data'] }, microbatches: 2 }));
});

describe('mixtures of experts', () => {
  const mixtral = (options: Partial<ConstructorParameters<typeof Mixtral>[0]> = {}) => {
    const model = { layers: 1, dim: 8, heads: 2, hidden: 12, context: 8, vocab: 11, experts: 4, choices: 2 };
    return languageModel(new Mixtral({ ...model, ...options }), { microbatches: 2, batch: 2, sequence: 4 });
  };
  test('experts over the ranks that split the tokens: dispatch and combine are all-to-alls', () =>
    equalsSerial({ ...mixtral(), mesh: { data: 2 }, split: { microbatch: ['data'], experts: ['data'] } }));
  test('five experts over 2, full ones drop tokens', () =>
    equalsSerial({
      ...mixtral({ experts: 5, capacityFactor: 0.5 }),
      mesh: { tensor: 2 },
      split: { experts: ['tensor'] },
      microbatches: 2,
    }));
  test('data × tensor, hidden layers of experts over tensor', () =>
    equalsSerial({
      ...mixtral(),
      mesh: { data: 2, tensor: 2 },
      split: { microbatch: ['data'], experts: ['data'], ...tensor },
    }));
});

describe('pipelines', () => {
  const tied = { ...gpt(), schedule: '1f1b' as const, microbatches: 3 };
  test('two stages with 1F1B and a tied embedding', () => equalsSerial({ ...tied, stages: stages({}, {}) }));
  test('three stages, of which the middle one talks to both others', () => {
    const parts = [['embedding', 'blocks.0'], ['blocks.1'], ['head']];
    return equalsSerial({ ...tied, stages: parts.map((segments) => ({ segments, mesh: {} })) });
  });
  test('stages of unlike meshes: data over 2 before tensor over 2', () =>
    equalsSerial({ ...tied, stages: stages({ data: 2 }, { tensor: 2 }), split: { batch: ['data'], ...tensor } }));
});

// RUNS=100 npx vitest run tests/native_equals_serial searches longer.
test('random models and plans on at most four ranks', async () => {
  const ranks = ({ mesh, second }: TrainingDraw) =>
    [mesh, second].reduce((sum, m) => sum + (m ? m.data * m.tensor * m.context : 0), 0);
  const law = fc.asyncProperty(
    anyTraining().filter((draw) => ranks(draw) <= 4),
    async (draw) => {
      const scenario = nativeScenario(trainingScenario(draw));
      const blocks = await runRanks(scenario);
      expect(departures(scenario.serial(), gatherValues(scenario.program, blocks))).toEqual([]);
    },
  );
  await fc.assert(law, { seed: 5, numRuns: Number(process.env.RUNS ?? 10) });
});

async function equalsSerial(options: ScenarioOptions): Promise<void> {
  const scenario = nativeScenario(options);
  const blocks = await runRanks(scenario);
  expect(differences(scenario.serial(), gatherValues(scenario.program, blocks), 1e-9)).toEqual([]);
}

/** One step, every rank an engine of this process. */
async function runRanks(scenario: NativeScenario): Promise<readonly RankBlocks[]> {
  const port = await freePort();
  const engines = Array.from({ length: scenario.ranks }, (_, rank) => {
    const { arenaBytes } = classOfRank(scenario, rank);
    return new NativeEngine({ registry: ops, rank, device: 'cpu', threads: 1, arenaBytes });
  });
  const step = async (engine: NativeEngine, rank: number) => {
    await engine.addon.rendezvous({
      address: '127.0.0.1',
      port,
      rank,
      worldSize: engines.length,
      hostStore: rank === 0,
      generation: '0',
      timeoutSeconds: 30,
      operationTimeoutSeconds: 30,
    });
    return runRankStep(scenario, engine);
  };
  try {
    const blocks = await Promise.all(engines.map(step));
    for (const engine of engines) await engine.close();
    return blocks;
  } catch (error) {
    // The others may wait for ever for the one that failed.
    for (const engine of engines) engine.addon.abort('another rank failed');
    throw error;
  }
}
