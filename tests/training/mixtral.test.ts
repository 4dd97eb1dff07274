import { afterAll, expect, test } from 'vitest';
import type { TrainOptions } from '../../src/runtime/options.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const options: TrainOptions = {
  model: { family: 'mixtral', layers: 1, dim: 8, heads: 2, context: 8, hidden: 12, experts: 4, choices: 2 },
  steps: 6,
};

test('two processes learn what one virtual rank learns: each half of the tokens, or half of the experts; bf16 too', async () => {
  await work.train('reference', options);
  const wanted = work.losses('reference');
  expect(wanted[5]).toBeLessThan(wanted[0] - 0.1);
  const runs = [
    { name: 'data', plan: { data_parallel_size: 2 }, precision: 'f32', tolerance: 1e-4 },
    { name: 'tensor', plan: { tensor_parallel_size: 2 }, precision: 'f32', tolerance: 1e-4 },
    { name: 'bf16', plan: { tensor_parallel_size: 2 }, precision: 'bf16', tolerance: 0.01 },
  ] as const;
  for (const { name, plan, precision, tolerance } of runs) {
    const { summary } = await work.train(name, { ...options, engine: 'native', ranks: 2, plan, precision });
    expect(summary).toMatchObject({ ranks: 2, engine: 'native', steps: 6 });
    const losses = work.losses(name);
    expect(losses).toHaveLength(6);
    losses.forEach((loss, i) => expect(Math.abs(loss / wanted[i] - 1), name).toBeLessThan(tolerance));
  }
});
