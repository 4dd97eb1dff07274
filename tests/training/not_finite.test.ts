import { afterAll, beforeAll, expect, test } from 'vitest';
import { poison } from './poison.js';
import { Workplace } from './tiny_run.js';

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

test.each([
  { plan: 'data-parallel', overrides: planOf(1, 1), block: 1, rank: 0 },
  { plan: 'tensor-parallel', overrides: planOf(2, 1), block: 1, rank: 1 },
  { plan: 'pipeline', overrides: planOf(1, 2), block: 0, rank: 0 },
  { plan: 'pipeline', overrides: planOf(1, 2), block: 1, rank: 1 },
])('$plan ranks find a NaN in block $block on rank $rank', async ({ overrides, block, rank }) => {
  const message = await failure(
    work.resume(`poisoned ${block}`, ['engine=native', 'ranks=2', 'steps=4', ...overrides]),
  );
  expect(message).toContain(`is NaN in 'blocks.${block}.mlp.up.weight', which was given to the step`);
  expect(message).toMatch(
    new RegExp(`einsum\\w*, blocks\\.${block}\\.mlp\\.up \\(forward\\) \\(rank ${rank}, step 2\\)`),
  );
});

test('what a pipeline computes to infinity or NaN is found where it is computed', async () => {
  const optimizer = { lr: 1e30, warmup_steps: 0, clip_grad_norm: null, schedule: 'constant' } as const;
  const plan = { pipeline_parallel_size: 2 };
  const message = await failure(
    work.train('diverges', { model, engine: 'native', ranks: 2, plan, optimizer, steps: 9 }),
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
