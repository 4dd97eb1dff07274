/**
 * Whole steps on streams that run by themselves: a thread a stream, held and starved at random, and communication by NCCL's rules. What the
 * plan of streams does not order happens in another order there. In about half of the steps no stream begins before the host has handed
 * over the last launch, so a step that ends has never made the host wait inside it.
 */
import { expect, test } from 'vitest';
import { pipelineOf } from '../../src/plan/plan.js';
import { threadedStreams } from '../../src/engine/native/testing/doubles.js';
import { gatherValues } from '../../src/engine/reference/shards.js';
import { GPT, Mixtral } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { nativeScenario, runNatively } from '../scenarios/native_step.js';
import { differences, type ScenarioOptions } from '../scenarios/scenario.js';

const gpt = () =>
  languageModel(new GPT({ layers: 2, dim: 8, heads: 2, context: 8, vocab: 11 }), { batch: 3, sequence: 4 });
const mixtral = () =>
  languageModel(
    new Mixtral({ layers: 1, dim: 8, heads: 2, hidden: 12, context: 8, vocab: 11, experts: 4, choices: 2 }),
    { microbatches: 2, batch: 2, sequence: 4 },
  );
const tensor = { heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };
const group = (segments: readonly string[], mesh: Readonly<Record<string, number>>) => ({ segments, mesh });

const steps: Readonly<Record<string, ScenarioOptions>> = {
  'one rank': { ...gpt(), microbatches: 2 },
  'data × tensor': { ...gpt(), mesh: { data: 2, tensor: 2 }, split: { batch: ['data'], ...tensor }, microbatches: 2 },
  'ZeRO-1': { ...gpt(), mesh: { data: 2 }, split: { batch: ['data'] }, zero: { stage: 1, axes: ['data'] } },
  'experts by all-to-all': { ...mixtral(), mesh: { data: 2 }, split: { microbatch: ['data'], experts: ['data'] } },
  '1F1B, groups of unlike meshes': {
    ...gpt(),
    schedule: '1f1b',
    microbatches: 3,
    pipeline: pipelineOf([group(['embedding', 'blocks.0'], { data: 2 }), group(['blocks.1', 'head'], { tensor: 2 })]),
    split: { batch: ['data'], ...tensor },
  },
};

test.each(Object.entries(steps))(
  '%s: every schedule of streams gives the serial step, and the same bits',
  async (_, options) => {
    const scenario = nativeScenario(options);
    const results: ReturnType<typeof gatherValues>[] = [];
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      results.push(gatherValues(scenario.program, await runNatively(scenario, threadedStreams(seed))));
    }
    expect(differences(scenario.serial(), results[0], 1e-9)).toEqual([]);
    results.slice(1).forEach((result) => expect(result).toEqual(results[0]));
  },
);
