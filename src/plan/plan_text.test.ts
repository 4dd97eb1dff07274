import { expect, test } from 'vitest';
import { planOfSizes, type ParallelSizes } from './parallel_sizes.js';
import { zeroStages, type Plan } from './plan.js';
import { expertsText, groupTexts, planText, sequencesText, zeroText } from './plan_text.js';

const model = {
  name: 'gpt',
  hash: '0',
  segments: ['embedding', ...Array.from({ length: 12 }, (_, i) => `blocks.${i}`), 'head'],
  factors: { heads: 4 },
  sizes: { sequence: [8] },
  parameters: [],
  tokenGroups: 1,
};
const precision = { compute: 'f32', master: 'f32' } as const;
const planOf = (sizes: ParallelSizes, ranks: number): Plan =>
  planOfSizes(sizes, ranks, model, { sequences: 8, microbatch: 1 }, precision);

test.each([
  [{}, 1, 'one rank'],
  [{ tensor_parallel_size: 2 }, 4, 'data 2 × tensor 2'],
  [{ pipeline_parallel_size: 2 }, 2, 'pipeline 2'],
  [{ pipeline_parallel_size: 2, zero_stage: 1 }, 4, 'pipeline 2 × data 2, ZeRO-1'],
  [{ context_parallel_size: 2, context_parallel_method: 'ring' }, 2, 'context 2, ring'],
  [
    { tensor_parallel_size: 2, sequence_parallel: true, zero_stage: 1 },
    4,
    'data 2 × tensor 2, sequence parallel, ZeRO-1',
  ],
  [{ zero_stage: 3, shard_size: 2 }, 8, 'data.replica 4 × data.shard 2, ZeRO-3'],
  [{ zero_stage: 3, shard_size: 2 }, 2, 'data 2, ZeRO-3'],
] as const)('%j on %i is %s', (sizes, ranks, text) => {
  expect(planText(planOf(sizes, ranks))).toBe(text);
});

test('groups on unlike meshes, each with its ranks and its segments', () => {
  const plan = planOf({ pipeline_parallel_size: 3 }, 3);
  const unlike = { ...plan, groups: { ...plan.groups, g0: { mesh: { data: 2, tensor: 2 } } } };
  expect(planText(unlike)).toBe('data 2 × tensor 2 | one rank | one rank');
  expect(groupTexts(unlike)).toEqual([
    'g0: ranks 0 to 3, data 2 × tensor 2: embedding, blocks.0 to blocks.3',
    'g1: rank 4: blocks.4 to blocks.7',
    'g2: rank 5: blocks.8 to blocks.11, head',
  ]);
});

test('how sequences and experts are split is said where they are', () => {
  const both = planOf({ context_parallel_size: 2, tensor_parallel_size: 2, sequence_parallel: true }, 4);
  expect(sequencesText(both, true)).toBe(
    'over context, by allgather, stored head-tail; over tensor where nothing else is split over it (sequence parallel)',
  );
  const heads = planOf({ context_parallel_size: 2, context_parallel_method: 'ulysses' }, 2);
  expect(sequencesText(heads, false)).toBe('over context, by ulysses, in their own order');
  expect(sequencesText(planOf({ tensor_parallel_size: 2 }, 2), false)).toBeNull();
  expect(expertsText({ ...both, split: { ...both.split, experts: ['data', 'tensor'] } })).toBe('over tensor');
  expect(expertsText(both)).toBeNull();
});

test('what ZeRO splits is said, also where that is nothing', () => {
  expect(zeroText(planOf({ zero_stage: 1 }, 2))).toMatch(/^stage 1: .* split over data$/);
  expect(zeroText(planOf({ zero_stage: 2, shard_size: 2 }, 4))).toMatch(
    /split over data\.shard, alike on each of data\.replica$/,
  );
  expect(zeroText(planOf({}, 2))).toMatch(/^stage 0: every rank along data keeps/);
  for (const zero_stage of zeroStages) {
    const one = planOf({ zero_stage, tensor_parallel_size: 2 }, 2);
    // A run of an earlier version has the stage in its plan.
    for (const plan of [one, { ...one, zero: { ...one.zero, stage: zero_stage } }]) {
      expect(zeroText(plan)).toMatch(/^nothing is split: there is one rank along data/);
      expect(planText(plan)).toBe('tensor 2');
    }
  }
  const unlike = planOf({ zero_stage: 1, pipeline_parallel_size: 2 }, 4);
  expect(zeroText({ ...unlike, groups: { ...unlike.groups, g1: { mesh: { data: 1 } } } })).toMatch(
    /split over data in g0 alone$/,
  );
});
