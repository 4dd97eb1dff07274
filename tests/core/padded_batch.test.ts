/**
 * Batches that do not divide: the last scheduled microbatch is filled up with logical microbatches that have no tokens. What the ranks
 * then compute is what one device computes of the real ones alone.
 */
import { expect, test } from 'vitest';
import { GPT, Mixtral } from '../../src/nn/models/index.js';
import type { LanguageModel } from '../../src/nn/language_model.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes, type ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { adamw } from '../../src/optim/index.js';
import { ops } from '../../src/ops/index.js';
import { compileTraining } from '../../src/compile/compile.js';
import { departures } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { whim } from '../scenarios/whim.js';

const sequence = 3;
const gpt = () => new GPT({ layers: 2, dim: 6, heads: 2, hidden: 5, context: sequence, vocab: 7 });
const mixtral = () =>
  new Mixtral({ layers: 2, dim: 8, heads: 2, hidden: 8, context: sequence, vocab: 7, experts: 3, choices: 2 });
const costs: ScenarioOptions['costs'] = whim(1);
const memory = { moves: 10, searchNodes: 0 };

/** All sequences of a step on one device, one after another. */
function serialOf(model: LanguageModel, sequences: number): Scenario {
  const made = languageModel(model, { microbatches: 1, batch: 1, sequence });
  return buildScenario({ ...made, costs, memory, microbatches: sequences });
}

/** The same sequences under a plan of these sizes. */
function parallelOf(model: LanguageModel, sequences: number, sizes: ParallelSizes, update: boolean): Scenario {
  const { data_parallel_size: data = 1, pipeline_parallel_size: groups = 1 } = sizes;
  const described = describeModel(model);
  const batch = { sequences, microbatch: 1 };
  const plan = planOfSizes(sizes, data * groups, described, batch, { compute: 'f64', master: 'f64' });
  const { logical_microbatches: together } = plan.batch;
  const made = languageModel(model, { microbatches: together, batch: 1, sequence });
  const single = made.element!;
  return buildScenario({
    ...made,
    ...(update ? {} : { update: null }),
    costs,
    memory,
    pipeline: plan,
    split: plan.split,
    zero: plan.zero,
    schedule: plan.schedule.kind,
    microbatches: plan.schedule.microbatches,
    element: (input, index, microbatch) => {
      if (input.kind !== 'data') return single(input, index, microbatch);
      const logical = microbatch * together + Math.floor(index / sequence);
      if (logical >= sequences) return input.name === 'labels' ? -1 : 0;
      return single(input, index % sequence, logical);
    },
  });
}

test.each<[string, () => LanguageModel, number, ParallelSizes]>([
  ['GPT, seven over two', gpt, 7, { data_parallel_size: 2 }],
  ['GPT, two over three', gpt, 2, { data_parallel_size: 3 }],
  ['GPT, five over two, on two groups', gpt, 5, { data_parallel_size: 2, pipeline_parallel_size: 2 }],
  [
    'Mixtral, whose balance loss has statistics of its own, seven over three',
    mixtral,
    7,
    { data_parallel_size: 3, zero_stage: 1 },
  ],
  ['Mixtral, three over two, on two groups', mixtral, 3, { data_parallel_size: 2, pipeline_parallel_size: 2 }],
])('%s', (_, model, sequences, sizes) => {
  const serial = serialOf(model(), sequences);
  const parallel = parallelOf(model(), sequences, sizes, true);
  expect(departures(serial.serial(), parallel.gather(parallel.parallel()))).toEqual([]);
});

test('gradients, loss and token count are those of the real sequences', () => {
  const made = languageModel(gpt(), { microbatches: 1, batch: 1, sequence });
  const serial = buildScenario({ ...made, update: null, costs, memory, microbatches: 7 });
  const parallel = parallelOf(gpt(), 7, { data_parallel_size: 4 }, false);
  const [expected, found] = [serial.serial(), parallel.gather(parallel.parallel())];
  expect(Object.keys(expected)).toContain('gradient.embedding.weight');
  expect(found.tokens[0]).toBe(7 * sequence);
  expect(departures(expected, found)).toEqual([]);
});

test('61 to 67 microbatches over any ranks need the memory that 64 on one rank need, within one microbatch', () => {
  const model = new GPT({ layers: 2, dim: 32, heads: 2, context: 32, vocab: 64 });
  const arena = (data: number, sequences: number, together?: number) => {
    const precision = { compute: 'f32', master: 'f32' } as const;
    const batch = { sequences, microbatch: 1 };
    const plan = planOfSizes({ data_parallel_size: data }, data, describeModel(model), batch, precision);
    const logical = together ?? plan.batch.logical_microbatches;
    const { program } = compileTraining({
      model,
      optimizer: adamw({ lr: 0.1 }),
      plan: { ...plan, batch: { ...plan.batch, logical_microbatches: logical } },
      sequence: 32,
      registry: ops,
      target: 'cpu',
      memory,
    });
    return Math.max(...program.classes.map(({ arenaBytes }) => arenaBytes));
  };
  const one = arena(1, 64);
  const microbatch = arena(1, 64, 2) - one;
  expect(microbatch).toBeGreaterThan(0);
  for (const [data, sequences] of [
    [1, 61],
    [2, 67],
    [3, 64],
    [3, 65],
    [8, 61],
    [8, 67],
  ]) {
    expect(Math.abs(arena(data, sequences) - one), `${sequences} over ${data}`).toBeLessThan(microbatch);
  }
});
