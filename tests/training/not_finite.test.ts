import { afterAll, beforeAll, expect } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { poison } from './poison.js';
import { onNative, Workplace } from './tiny_run.js';

// Real ranks that go on from a checkpoint with one NaN in it: the error names the rank that has it, the op and the module.

const work = new Workplace();
afterAll(() => work.remove());

const model = { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 } as const;
beforeAll(async () => {
  for (const block of [0, 1]) {
    const name = `poisoned ${block}`;
    await work.train(name, { model, steps: 1 });
    poison(work.checkpoint(name, 1), `blocks.${block}.mlp.up.weight`);
  }
});

const planOf = (tensor: number, pipeline: number) => [
  `plan.tensor_parallel_size=${tensor}`,
  `plan.pipeline_parallel_size=${pipeline}`,
];

const cases = [
  { plan: 'one rank finds', ranks: 1, overrides: planOf(1, 1), block: 1, rank: 0 },
  { plan: 'data-parallel ranks find', ranks: 2, overrides: planOf(1, 1), block: 1, rank: 0 },
  { plan: 'tensor-parallel ranks find', ranks: 2, overrides: planOf(2, 1), block: 1, rank: 1 },
  { plan: 'pipeline ranks find', ranks: 2, overrides: planOf(1, 2), block: 0, rank: 0 },
  { plan: 'pipeline ranks find', ranks: 2, overrides: planOf(1, 2), block: 1, rank: 1 },
];
const native = Object.entries(onNative).map(([name, value]) => `${name}=${value}`);
for (const { plan, ranks, overrides, block, rank } of cases)
  testOfRanks(ranks)(`${plan} a NaN in block ${block} on rank ${rank}`, async () => {
    const resumed = work.resume(`poisoned ${block}`, [...native, `ranks=${ranks}`, 'steps=4', ...overrides]);
    const message = await failure(resumed);
    expect(message).toContain(`is NaN in 'blocks.${block}.mlp.up.weight', which was given to the step`);
    expect(message).toMatch(/the latest checkpoint may hold it too \(.*step-0+1\): go on from an earlier one/);
    expect(message).toMatch(
      new RegExp(`einsum\\w*, blocks\\.${block}\\.mlp\\.up \\(forward\\) \\(rank ${rank}, step 2\\)`),
    );
  });

// In a bucket that is stored in parts the error names the tensor, as where it lies whole.
testOfRanks(2)('under ZeRO-3 too, where the weight lies in a bucket on one of two ranks', async () => {
  const resumed = work.resume('poisoned 1', [...native, 'ranks=2', 'steps=4', 'plan.zero_stage=3']);
  expect(await failure(resumed)).toContain("is NaN in 'blocks.1.mlp.up.weight', which was given to the step");
});

const diverging = { lr: 1e30, warmup_steps: 0, clip_grad_norm: null, schedule: 'constant' } as const;
for (const stages of [1, 2])
  testOfRanks(stages)(`what becomes infinity or NaN is found where it is computed: stages ${stages}`, async () => {
    const plan = { pipeline_parallel_size: stages };
    const message = await failure(
      work.train(`diverges ${stages}`, { model, ...onNative, ranks: stages, plan, optimizer: diverging, steps: 9 }),
    );
    expect(message).toMatch(
      /first value that is not finite is (NaN|Infinity) in '[^']+'\n.*where {2}\w+, [\w.]+ \(forward\) \(rank 0, step 2\)/s,
    );
  });

const failure = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'it went on',
    (error: unknown) => (error as Error).message,
  );
