/** Runs that were given the same and computed something else, and runs that only rounded in another order. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareRuns, compareWithSerial, comparisonText, serialComparisonText } from '../../src/compare/index.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { Workplace } from '../training/tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());
const run = (name: string) => work.file('runs', name);
const options: TrainOptions = {
  steps: 2,
  model: { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8, dropout: 0.1 },
};
beforeAll(async () => void (await work.train('a', options)));

test.each([
  ['tensor', { tensor_parallel_size: 2 }],
  ['data', { data_parallel_size: 2, zero_stage: 3 }],
  ['pipeline', { pipeline_parallel_size: 2 }],
  ['ring', { context_parallel_size: 2, context_parallel_method: 'ring' }],
] as const)('another plan is another order of sums, and no value is off: %s', async (name, plan) => {
  await work.train(name, { ...options, ranks: 2, plan });
  const found = await compareRuns(run('a'), run(name));
  expect(comparisonText(found)).toContain('no value is further from it than rounding takes it');
  expect(found.verdict).toBe('rounding');
  expect(found.replays[0].values).toBeGreaterThan(250);
});

test('a step of a run against the same on one rank, from a checkpoint', async () => {
  await work.train('saved', {
    ...options,
    ranks: 2,
    plan: { tensor_parallel_size: 2 },
    checkpoint: { every_steps: 1 },
  });
  const found = await compareWithSerial(run('saved'), { step: 2 });
  expect(found.replay).toMatchObject({ step: 2, from: 'its checkpoint of step 1', off: null, unlike: [] });
  expect(serialComparisonText(found)).toContain("one rank, f32, reference: the run's step on one rank");
});

test('what a digest tells of a step, and the step does not come to, did not come from the program', async () => {
  await work.train('glitch', options);
  const file = work.file('runs', 'glitch', 'digests', '0.jsonl');
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const step = JSON.parse(lines[1]) as { parameters: string };
  const words = Buffer.from(step.parameters, 'base64');
  words[0] ^= 1;
  lines[1] = JSON.stringify({ ...step, parameters: words.toString('base64') });
  writeFileSync(file, `${lines.join('\n')}\n`);
  const found = await compareRuns(run('a'), run('glitch'));
  expect(found.verdict).toBe('unrepeated');
  expect(found.replays[0]).toMatchObject({ step: 1, off: null, unlike: ['B'] });
});
