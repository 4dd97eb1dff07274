import { afterAll, beforeAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { onNative, Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const options: TrainOptions = {
  model: {
    family: 'mixtral',
    layers: 2,
    dim: 8,
    heads: 2,
    context: 8,
    hidden: 12,
    experts: 4,
    choices: 2,
    z_loss: 0.01,
  },
  steps: 6,
};

beforeAll(() => work.train('reference', options));

test('the loss falls', () => {
  const losses = work.losses('reference');
  expect(losses[5]).toBeLessThan(losses[0] - 0.1);
});

test('metrics have the terms of the loss: routers that know nothing share evenly, and their normaliser is as many as there are experts', () => {
  const terms = work.terms('reference');
  expect(terms).toHaveLength(6);
  expect(terms[0].balance).toBeCloseTo(1, 1);
  expect(terms[0].z_loss).toBeCloseTo(Math.log(4) ** 2, 1);
});

test.each([
  ['one rank', 1, {}],
  ['data', 2, { data_parallel_size: 2 }],
  ['experts over them', 2, { data_parallel_size: 2, expert_parallel_size: 2 }],
  ['context', 2, { context_parallel_size: 2 }],
  ['pipeline', 2, { pipeline_parallel_size: 2 }],
] as const)('choices that find no place are counted every step: %s', async (name, ranks, plan) => {
  // Every token chooses every expert, and each has places for five of eight.
  const model = { ...(options.model as object), choices: 4, capacity_factor: 0.6 };
  await work.train(`dropped ${name}`, { ...options, model: model as TrainOptions['model'], steps: 2, ranks, plan });
  for (const { dropped } of work.terms(`dropped ${name}`)) expect(dropped).toBeCloseTo(3 / 8, 12);
});

test('where there is room for all, none is', async () => {
  const model = { ...(options.model as object), capacity_factor: 2 };
  await work.train('roomy', { ...options, model: model as TrainOptions['model'], steps: 1 });
  expect(work.terms('roomy')[0].dropped).toBe(0);
});

const runs = [
  { name: 'one process', ranks: 1, plan: {}, precision: 'f32', tolerance: 1e-4 },
  { name: 'one process, in bf16', ranks: 1, plan: {}, precision: 'bf16', tolerance: 0.01 },
  {
    name: 'two, each with half of the tokens',
    ranks: 2,
    plan: { data_parallel_size: 2 },
    precision: 'f32',
    tolerance: 1e-4,
  },
  {
    name: 'two, each with half of the experts',
    ranks: 2,
    plan: { tensor_parallel_size: 2 },
    precision: 'f32',
    tolerance: 1e-4,
  },
  {
    name: 'two, each with a layer',
    ranks: 2,
    plan: { pipeline_parallel_size: 2 },
    precision: 'f32',
    tolerance: 1e-4,
  },
  { name: 'two, in bf16', ranks: 2, plan: { tensor_parallel_size: 2 }, precision: 'bf16', tolerance: 0.01 },
] as const;
for (const { name, ranks, plan, precision, tolerance } of runs)
  testOfRanks(ranks)(`what one virtual rank learns: ${name}`, async () => {
    const { summary } = await work.train(name, { ...options, ...onNative, ranks, plan, precision });
    expect(summary).toMatchObject({ ranks, engine: 'native', steps: 6 });
    const [losses, wanted] = [work.losses(name), work.losses('reference')];
    expect(losses).toHaveLength(6);
    const terms = work.terms(name);
    work.terms('reference').forEach(({ balance, z_loss }, i) => {
      expect(Math.abs(terms[i].balance / balance - 1)).toBeLessThan(tolerance);
      expect(Math.abs(terms[i].z_loss / z_loss - 1)).toBeLessThan(tolerance);
    });
    losses.forEach((loss, i) => expect(Math.abs(loss / wanted[i] - 1)).toBeLessThan(tolerance));
  });
