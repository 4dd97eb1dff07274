/**
 * Whatever the order in which lanes run, a compiled step gives the same bits: with each lane held back and rushed ahead, in random
 * orders, with sends that wait for their receivers and sends that do not, over memory that held zeros or NaN.
 */
import { describe, expect, test } from 'vitest';
import { pipelineOf } from '../../src/plan/plan.js';
import { adversaries, gatherValue } from '../../src/engine/reference/index.js';
import { GPT, Llama, Mixtral } from '../../src/nn/models/index.js';
import type { CollectiveInstruction } from '../../src/program/program.js';
import { languageModel } from './language_model.js';
import { buildScenario, differences, differentBits, type Scenario, type ScenarioOptions } from './scenario.js';

const shape = { batch: 3, sequence: 4 };
const gpt = languageModel(new GPT({ layers: 2, dim: 8, heads: 2, context: 8, vocab: 11 }), shape);
const split = { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };

test('data × tensor, 3 microbatches', () => {
  const scenario = anySchedule({ ...gpt, mesh: { data: 2, tensor: 2 }, split, microbatches: 3 });
  expect(kindsOf(scenario)).toContain('all_reduce');
});

test('the residual stream split by sequence over the tensor ranks', () => {
  anySchedule({ ...gpt, mesh: { tensor: 2 }, split: { ...split, sequence: ['tensor'] }, microbatches: 2 });
});

test('ZeRO-1: optimizer state and update split over data', () => {
  const zero = { stage: 1, axes: ['data'] } as const;
  const scenario = anySchedule({ ...gpt, mesh: { data: 2 }, split, zero, microbatches: 2 });
  expect(kindsOf(scenario)).toEqual(expect.arrayContaining(['reduce_scatter', 'all_gather']));
});

test('a rotary model whose sequence is split', () => {
  const llama = new Llama({ layers: 1, dim: 12, heads: 6, kv_heads: 2, hidden: 7, context: 8, vocab: 11 });
  anySchedule({
    ...languageModel(llama, shape),
    mesh: { context: 2 },
    split: { sequence: ['context'] },
    microbatches: 2,
  });
});

test('a mixture of experts over the ranks that share the tokens: all-to-alls', () => {
  const options = { layers: 1, dim: 8, heads: 2, hidden: 24, experts: 4, choices: 2, context: 8, vocab: 11 };
  const model = languageModel(new Mixtral(options), { microbatches: 2, ...shape });
  const experts = { microbatch: ['data'], experts: ['data'] };
  const scenario = anySchedule({ ...model, mesh: { data: 2 }, split: experts, microbatches: 2 });
  expect(kindsOf(scenario)).toContain('all_to_all');
});

describe('two groups with a tied embedding', () => {
  const tied = { ...gpt, split, schedule: '1f1b', microbatches: 3 } as const;

  test('1F1B: both copies of the embedding stay equal, bit for bit', () => {
    const { program, parallel } = anySchedule({ ...tied, pipeline: groups({}, {}) });
    const { values } = parallel();
    expect(gatherValue(program, values, 'embedding.weight', 1)).toEqual(
      gatherValue(program, values, 'embedding.weight', 0),
    );
  });

  test('unlike meshes: data × tensor before data over 3', () => {
    anySchedule({ ...tied, pipeline: groups({ data: 2, tensor: 2 }, { data: 3 }) });
  });

  test('all forwards first (GPipe), data before tensor', () => {
    anySchedule({ ...tied, schedule: 'gpipe', pipeline: groups({ data: 2 }, { tensor: 2 }) });
  });
});

function anySchedule(options: ScenarioOptions): Scenario {
  const scenario = buildScenario({ memory: { searchNodes: 0, moves: 20 }, ...options });
  const run = scenario.parallel();
  expect(run.fault ?? run.deadlock).toBeNull();
  const first = scenario.gather(run);
  expect(differences(scenario.serial(), first, 1e-9)).toEqual([]);
  const lanes = new Set(run.ranks.flatMap(({ queues }) => queues.map(({ lane }) => lane)));
  adversaries([], [...lanes], 1).forEach((policy, i) => {
    const other = scenario.parallel({ policy, poison: i % 2 ? 0xff : 0 });
    expect(other.fault ?? other.deadlock, policy.name).toBeNull();
    expect(differentBits(first, scenario.gather(other)), policy.name).toBeNull();
  });
  return scenario;
}

const groups = (first: Readonly<Record<string, number>>, second: Readonly<Record<string, number>>) =>
  pipelineOf([
    { segments: ['embedding', 'blocks.0'], mesh: first },
    { segments: ['blocks.1', 'head'], mesh: second },
  ]);

const kindsOf = ({ program }: Scenario): readonly string[] =>
  program.classes.flatMap(({ templates }) =>
    templates.flatMap(({ body }) =>
      body.filter((one): one is CollectiveInstruction => one.kind === 'collective').map(({ move }) => move.kind),
    ),
  );
