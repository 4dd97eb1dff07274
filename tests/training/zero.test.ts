/** Runs under every stage of ZeRO: what they leave, and that a checkpoint of one goes on under any other, bit for bit. */
import { afterAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { zeroStages } from '../../src/plan/plan.js';
import { onNative, Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

// One microbatch, and no norm to clip by: nothing is summed in another order.
const options = (stage: number, precision: 'f32' | 'bf16' = 'f32') => ({
  ranks: 2,
  precision,
  batch: { sequences: 2, microbatch: 1 },
  optimizer: { lr: 1e-2, warmup_steps: 2, decay_steps: 12, clip_grad_norm: null },
  plan: { data_parallel_size: 2, zero_stage: stage },
});

test('every stage trains to the same tensors, bit for bit', async () => {
  for (const stage of zeroStages) await work.train(`stage ${stage}`, { ...options(stage), steps: 2 });
  const [whole, ...others] = zeroStages.map((stage) => work.tensorHashes(`stage ${stage}`, 2));
  expect(Object.keys(whole).some((name) => name.includes('padding'))).toBe(false);
  for (const hashes of others) expect(hashes).toEqual(whole);
});

test('a checkpoint of any stage goes on under any other, bit for bit', async () => {
  await work.train('straight', { ...options(0), steps: 4 });
  for (const [before, after] of [
    [0, 3],
    [3, 1],
    [1, 2],
    [2, 0],
  ]) {
    const name = `${before} to ${after}`;
    await work.train(name, { ...options(before), steps: 2 });
    await work.resume(name, ['steps=4', `plan.zero_stage=${after}`]);
    expect(work.losses(name)).toEqual(work.losses('straight'));
    expect(work.tensorHashes(name, 4)).toEqual(work.tensorHashes('straight', 4));
  }
  // On one rank, where there is nothing to split.
  await work.train('alone', { ...options(3), steps: 2 });
  await work.resume('alone', ['steps=4', 'ranks=1', 'plan.data_parallel_size=1']);
  work.losses('alone').forEach((loss, i) => expect(loss).toBeCloseTo(work.losses('straight')[i], 4));
});

/** Layouts of four ranks, and of one, by the overrides that make them. */
const layouts = {
  'ZeRO-3 over four': ['plan.zero_stage=3', 'plan.shard_size=4'],
  'shards of two, twice': ['plan.zero_stage=3', 'plan.shard_size=2'],
  'optimizer state in shards of two': ['plan.zero_stage=1', 'plan.shard_size=2'],
  'ZeRO-1 over four': ['plan.zero_stage=1', 'plan.shard_size=null'],
  serial: ['ranks=1', 'plan.data_parallel_size=1', 'plan.zero_stage=0', 'plan.shard_size=null'],
};
const four = (place: object = {}) => ({
  ...options(3),
  ...place,
  ranks: 4,
  batch: { sequences: 4, microbatch: 1 },
  plan: { data_parallel_size: 4, zero_stage: 3, shard_size: 2 },
});

/** Data ranks are summed in another order. */
const expectClose = (name: string, straight: string): void => {
  const [found, expected] = [work.losses(name), work.losses(straight)];
  expect(found).toHaveLength(expected.length);
  found.forEach((loss, i) => expect(loss).toBeCloseTo(expected[i], 4));
  expect(Object.keys(work.tensorHashes(name, found.length)).sort()).toEqual(
    Object.keys(work.tensorHashes(straight, found.length)).sort(),
  );
};

test('a checkpoint of replicas of shards goes on under any other layout, and one of those under it', async () => {
  const order = [
    'ZeRO-3 over four',
    'shards of two, twice',
    'ZeRO-1 over four',
    'shards of two, twice',
    'serial',
    'optimizer state in shards of two',
  ] as const;
  await work.train('shards straight', { ...four(), steps: order.length + 1 });
  await work.train('shards', { ...four(), steps: 1 });
  for (const [i, layout] of order.entries()) {
    const whole = ['ranks=4', 'plan.data_parallel_size=4'];
    await work.resume('shards', [`steps=${i + 2}`, ...whole, ...layouts[layout]]);
  }
  expectClose('shards', 'shards straight');
});

testOfRanks(4)('so does one of real ranks', async () => {
  await work.train('real straight', { ...four(), steps: 2 });
  await work.train('real', { ...four(onNative), steps: 1 });
  await work.resume('real', ['steps=2', ...layouts['ZeRO-1 over four']]);
  expectClose('real', 'real straight');
});

test('a tied weight of two groups goes on from any stage under any other', async () => {
  const staged = (stage: number) => ({
    ...options(stage),
    ranks: 4,
    batch: { sequences: 4, microbatch: 1 },
    plan: { data_parallel_size: 2, pipeline_parallel_size: 2, zero_stage: stage },
  });
  await work.train('tied', { ...staged(0), steps: 3 });
  await work.train('tied in parts', { ...staged(0), steps: 1 });
  await work.resume('tied in parts', ['steps=2', 'plan.zero_stage=3']);
  await work.resume('tied in parts', ['steps=3', 'plan.zero_stage=1']);
  // Data ranks and chunks are summed in another order.
  work.losses('tied in parts').forEach((loss, i) => expect(loss).toBeCloseTo(work.losses('tied')[i], 4));
  const names = (name: string) => Object.keys(work.tensorHashes(name, 3)).sort();
  expect(names('tied in parts')).toEqual(names('tied'));
});

test('a validation reads the weights as they are stored', async () => {
  const losses: (number | null)[] = [];
  for (const stage of zeroStages) {
    const more = { steps: 1, evaluation: { every_steps: null, batches: 2 } };
    for (const precision of ['f32', 'bf16'] as const) {
      const { summary } = await work.train(`validated ${stage} ${precision}`, {
        ...options(stage, precision),
        ...more,
      });
      losses.push(summary.validationLoss);
    }
  }
  expect(losses[0]).toBeGreaterThan(0);
  for (let i = 2; i < losses.length; i++) expect(losses[i]).toBe(losses[i % 2]);
});
