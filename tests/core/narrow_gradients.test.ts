/** Gradients in the type that ops compute in: summed and sent in it, and cast to that of the parameters by the update. */
import { describe, expect, test } from 'vitest';
import { elementsOf } from '../../src/ir/type.js';
import { ops } from '../../src/ops/index.js';
import { GPT, Llama, Mixtral } from '../../src/nn/models/index.js';
import type { LanguageModel } from '../../src/nn/language_model.js';
import { roundTo } from '../../src/ops/round.js';
import { applyPrecision, type GradientTypes } from '../../src/passes/precision.js';
import { pipelineOf, zeroStages } from '../../src/plan/plan.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { inputValues, runSerial, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial } from './equals_serial.js';

const sizes = { layers: 1, dim: 8, heads: 2, hidden: 7, context: 3, vocab: 11 };
const models = {
  gpt: new GPT(sizes),
  tied: new Llama({ ...sizes, tied: true }),
  mixtral: new Mixtral({ ...sizes, experts: 3, choices: 2 }),
};

/** What one device gives in two microbatches, of parameters that are read in bf16; others are left out. */
function serialGradients(model: LanguageModel, gradients: GradientTypes) {
  const { step, ...rest } = languageModel(model, { batch: 2, sequence: 3, dtype: 'f32' });
  const graphs = { step: applyPrecision(step, ops, 'bf16', gradients), ...rest, update: null };
  const sums = (microbatches: number) => runSerial(graphs, inputValues(graphs, microbatches), microbatches);
  return { first: sums(1), both: sums(2) };
}

// Each parameter is read once: a second reader's part of the gradient is rounded by itself.
test.each(Object.entries({ llama: new Llama(sizes) }))(
  '%s: each is what the f32 accumulator holds, rounded once, and a sum of two is off by three roundings at most',
  (_, model) => {
    const [narrow, wide] = [serialGradients(model, 'compute'), serialGradients(model, 'master')];
    for (const [name, first] of Object.entries(narrow.first)) {
      const isRounded = first.every((x) => Math.fround(x) === x && roundTo('bf16', Float64Array.of(x))[0] === x);
      if (!name.startsWith('gradient.') || !isRounded) continue;
      expect([name, first]).toEqual([name, roundTo('bf16', Float64Array.from(wide.first[name]))]);
      narrow.both[name].forEach((x, i) => {
        const [one, two] = [wide.first[name][i], wide.both[name][i] - wide.first[name][i]];
        const bound = 2 ** -8 * (Math.abs(one) + Math.abs(two) + Math.abs(one + two));
        expect(Math.abs(x - wide.both[name][i])).toBeLessThanOrEqual(bound);
      });
    }
  },
);

test.each(Object.entries(models))(
  '%s: who is read in bf16 has its gradient in bf16, without a cast of it',
  (_, model) => {
    const { step } = languageModel(model, { batch: 2, sequence: 3, dtype: 'f32' });
    const { inputs, outputs, nodes, values } = applyPrecision(step, ops, 'bf16', 'compute');
    const read = new Set(
      inputs.flatMap(({ kind, name, value }) => {
        const casts = nodes.some((node) => node.op === 'cast' && node.inputs.includes(value));
        return kind === 'parameter' && casts ? [name] : [];
      }),
    );
    for (const { role, name, value } of outputs) {
      if (role.kind !== 'gradient') continue;
      const narrow = read.has(role.of);
      expect([name, values[value].type.dtype]).toEqual([name, narrow ? 'bf16' : 'f32']);
      if (narrow) expect([name, values[value].node!.op]).not.toEqual([name, 'cast']);
    }
    expect(read.size).toBeGreaterThan(4);
  },
);

const reduces = new Set(['all_reduce', 'reduce_scatter']);

const options = (more: Partial<ScenarioOptions>): ScenarioOptions =>
  inMixedPrecision(
    {
      ...languageModel(models.gpt, { batch: 4, sequence: 3 }),
      mesh: { data: 2 },
      split: { batch: ['data'] },
      microbatches: 2,
      ...more,
    },
    'compute',
  );

describe.each(zeroStages)('stage %i', (stage) => {
  test('equals serial, and what travels of matrices is as narrow as their sums', () => {
    const { placed } = expectEqualsSerial(options({ zero: { stage, axes: ['data'] } }), rounded);
    const { step, update, buckets } = placed;
    for (const bucket of buckets) {
      expect(bucket.gradient).toBe(bucket.compute);
      const own = [step, update!].flatMap(({ steps, values }) =>
        steps.flatMap((one) => {
          if (one.kind !== 'move' || !one.source.path.endsWith(bucket.name) || !reduces.has(one.move.kind)) return [];
          const { type } = values[one.inputs[0]];
          // The number of tokens is a sum too.
          return elementsOf(type) > 1 ? [type.dtype] : [];
        }),
      );
      expect(new Set(own)).toEqual(new Set([bucket.gradient]));
    }
    expect(new Set(buckets.map(({ gradient }) => gradient))).toEqual(new Set(['f32', 'f64']));
  });

  test.each([
    ['replicas of shards', { mesh: { replica: 2, shard: 2 }, split: { batch: ['replica', 'shard'] } }, 'shard'],
    [
      'tensor parallelism',
      { mesh: { data: 2, tensor: 2 }, split: { batch: ['data'], heads: ['tensor'], vocab: ['tensor'] } },
      'data',
    ],
  ])('%s', (_, more, axis) => {
    expectEqualsSerial(options({ ...more, zero: { stage, axes: [axis] } }), rounded);
  });

  test('a tied weight of two groups', () => {
    const pipeline = pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 2 } },
      { segments: ['head'], mesh: { data: 2 } },
    ]);
    const tied = languageModel(models.tied, { batch: 4, sequence: 3 });
    expectEqualsSerial(
      options({ ...tied, mesh: undefined, pipeline, schedule: '1f1b', zero: { stage, axes: ['data'] } }),
      rounded,
    );
  });
});
