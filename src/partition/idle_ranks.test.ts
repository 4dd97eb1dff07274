import { describe, expect, test } from 'vitest';
import { planOfSizes, type ParallelSizes } from '../plan/parallel_sizes.js';
import { sequencesOf, type Plan } from '../plan/plan.js';
import { idleRanksWarning, sequencesByRank } from './idle_ranks.js';

const model = {
  name: 'gpt',
  hash: '',
  segments: ['embedding', 'blocks.0', 'blocks.1', 'head'],
  factors: { heads: 4 },
  parameters: [],
  tokenGroups: 1,
  sizes: { heads: [4], sequence: [8] },
};

function planOf(sizes: ParallelSizes, sequences: number, microbatch = 1): Plan {
  const { data_parallel_size: data = 1, tensor_parallel_size: tensor = 1, pipeline_parallel_size: groups = 1 } = sizes;
  const precision = { compute: 'f32', master: 'f32' } as const;
  return planOfSizes(sizes, data * tensor * groups, model, { sequences, microbatch }, precision);
}

describe('every rank gets the floor or the ceiling of the microbatches, on one schedule', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('61 to 67 of one sequence over %i ranks', (data) => {
    for (const groups of [1, 2]) {
      for (let n = 61; n <= 67; n++) {
        const plan = planOf({ data_parallel_size: data, pipeline_parallel_size: groups }, n);
        expect(plan.schedule.microbatches).toBe(Math.ceil(n / data));
        expect(plan.batch.logical_microbatches).toBe(data);
        expect(sequencesOf(plan)).toBe(n);
        const counts = sequencesByRank(plan);
        expect(counts).toHaveLength(data * groups);
        for (const count of counts) expect([Math.floor(n / data), Math.ceil(n / data)]).toContain(count);
        expect(counts.slice(0, data).reduce((a, b) => a + b)).toBe(n);
        expect(idleRanksWarning(plan)).toBeNull();
      }
    }
  });

  test.each<[string, ParallelSizes, number, number, readonly number[]]>([
    ['three ranks, 64 sequences', { data_parallel_size: 3 }, 64, 1, [22, 21, 21]],
    ['eight ranks, six sequences', { data_parallel_size: 8 }, 6, 1, [1, 1, 1, 1, 1, 1, 0, 0]],
    ['four ranks, five microbatches of two', { data_parallel_size: 4 }, 10, 2, [4, 2, 2, 2]],
    ['one microbatch of six over four ranks', { data_parallel_size: 4 }, 6, 6, [1, 2, 1, 2]],
    ['two microbatches of eight over four ranks', { data_parallel_size: 4 }, 16, 8, [4, 4, 4, 4]],
    ['tensor ranks share theirs', { data_parallel_size: 2, tensor_parallel_size: 2 }, 3, 1, [2, 2, 1, 1]],
  ])('%s', (_, sizes, sequences, microbatch, expected) => {
    expect(sequencesByRank(planOf(sizes, sequences, microbatch))).toEqual(expected);
  });

  test('a pipeline is fed with one logical microbatch after another where each is split over the ranks', () => {
    const plan = planOf({ data_parallel_size: 4, pipeline_parallel_size: 2 }, 16, 8);
    expect([plan.schedule.microbatches, plan.batch.logical_microbatches]).toEqual([2, 1]);
    expect(sequencesByRank(plan)).toEqual(new Array(8).fill(4));
  });
});

test('ranks without a sequence are named', () => {
  expect(idleRanksWarning(planOf({ data_parallel_size: 8 }, 6))?.message).toContain(
    'ranks 6, 7 of 8 have nothing to compute',
  );
  expect(idleRanksWarning(planOf({ data_parallel_size: 8 }, 2))?.message).toContain('ranks 2 to 7 of 8');
  expect(idleRanksWarning(planOf({ data_parallel_size: 2, pipeline_parallel_size: 2 }, 1))?.message).toContain(
    'ranks 1, 3 of 4',
  );
});

describe('the number that is too small is named, with what to set', () => {
  const base = planOf({ data_parallel_size: 4 }, 16, 2);
  const told = (changes: Partial<Plan>) => idleRanksWarning({ ...base, ...changes })!;

  test('logical microbatches: as it says, no rank is idle, and the step has as many sequences', () => {
    const two = { ...base.batch, logical_microbatches: 2 };
    const plan = { ...base, batch: two, schedule: { ...base.schedule, microbatches: 4 } };
    const { message, diagnostic } = idleRanksWarning(plan)!;
    expect(message).toMatch(/batch\.logical_microbatches 2, fewer than the 4 ranks/);
    const [together, scheduled] = [...diagnostic.fix!.matchAll(/to (\d+)/g)].map(([, n]) => Number(n));
    const mended = {
      ...plan,
      batch: { ...two, logical_microbatches: together },
      schedule: { ...plan.schedule, microbatches: scheduled },
    };
    expect(idleRanksWarning(mended)).toBeNull();
    expect(sequencesOf(mended)).toBe(sequencesOf(plan));
  });

  test('with padding where they do not divide', () => {
    const batch = { logical_microbatches: 3, sequences: 2, padding: 0 };
    const plan = { batch, schedule: { ...base.schedule, microbatches: 3 } };
    expect(told(plan).diagnostic.fix).toContain('to 4, schedule.microbatches to 3 and batch.padding to 3:');
  });

  test('sequences of a logical microbatch that is split', () => {
    const error = idleRanksWarning(planOf({ data_parallel_size: 8 }, 6, 3))!;
    expect(error.message).toMatch(/a logical microbatch has 3 sequences, fewer than the 8 ranks that share it/);
  });

  test('sequences of a step', () => {
    expect(idleRanksWarning(planOf({ data_parallel_size: 8 }, 6))!.message).toMatch(
      /a step has 6 microbatches of 1 sequence, fewer parts than its 8/,
    );
  });

  test('boundaries', () => {
    const bounds = { microbatch: [0, 0, 2, 3, 4] };
    expect(told({ bounds }).message).toMatch(/\[0, 0, 2, 3, 4\] of 'microbatch' leave a rank no part/);
  });
});
