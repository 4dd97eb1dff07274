import { expect, test } from 'vitest';
import { stateAt } from '../checkpoint/testing.js';
import type { Manifest } from '../checkpoint/index.js';
import { resolveConfig } from '../config/resolve.js';
import type { TrainOptions } from '../config/schema.js';
import { Mixtral } from '../nn/models/index.js';
import type { RunRecord } from '../run/record.js';
import { identifyModel } from '../run/model_identity.js';
import { resumeNotices } from './resume_notices.js';

const { config: before } = resolveConfig({
  model: { family: 'mixtral' },
  steps: 100,
  batch: { sequences: 8, microbatch: 4 },
});
const model = new Mixtral({ layers: 1, dim: 8, hidden: 8, heads: 2, context: 8, vocab: 16, experts: 2, choices: 1 });
const { forward } = identifyModel(model, before);
const record = { order: { seed: 0, context: 8 }, batch: before.batch, steps: 100 } as RunRecord;
const manifest = { ...stateAt(10), randomness: { seed: 0, step: 10 } } as Manifest;

/** Messages by code, of a run of a mixture of experts that goes on after ten steps of 8 sequences. */
function notices({ steps = 100, ...changes }: TrainOptions & { steps?: number }): Readonly<Record<string, string>> {
  const { config } = resolveConfig({ ...before, ...changes, steps } as TrainOptions);
  const made = resumeNotices({ before, config, record, steps, manifest, forward });
  return Object.fromEntries(made.map(({ code, message }) => [code, message]));
}

test('nothing that changed: nothing to say', () => {
  expect(notices({})).toEqual({});
});

test('experts are balanced by microbatch: another batch of the same microbatches leaves them', () => {
  const experts = "the experts' balance loss and dropped choices";
  const larger = notices({ batch: { sequences: 16, microbatch: 4 } })['run/batch-changed'];
  expect(larger).toContain('goes on at sequence 80 of the order');
  expect(larger).toContain('the learning rate follows steps');
  expect(larger).not.toContain(experts);
  const smaller = notices({ batch: { sequences: 8, microbatch: 2 } })['run/batch-changed'];
  expect(smaller).toContain(experts);
  expect(smaller).not.toContain('validation');
});

test('a learning rate that is asked for is said beside the one that it takes the place of', () => {
  const message = notices({ optimizer: { ...before.optimizer, lr: 1e-2, warmup_steps: 0 } })['run/schedule-changed'];
  expect(message).toMatch(/the next step has 0\.00978\d* where it would have had 0\.0003/);
});

test('within the warm-up the rate is said to rise, to where it does, and what comes then', () => {
  const of = (optimizer: object, steps: number) =>
    notices({ steps, optimizer: { ...before.optimizer, decay_steps: null, ...optimizer } })['run/schedule-changed'];
  // Ten steps are done.
  for (const [steps, decay] of [
    [40, null],
    [30, 90],
  ]) {
    const ends = of({ warmup_steps: 40, lr: 1e-3, decay_steps: decay }, steps!);
    expect(ends).toContain('rises until step 40 (optimizer.warmup_steps), to 0.001: the run ends within its warm-up');
    expect(ends).toContain('the next step has 0.0002683 where');
    expect(ends).not.toMatch(/falls|goes on at/);
  }
  expect(of({ warmup_steps: 40 }, 200)).toMatch(
    /rises until step 40 .*, and then falls over the rest of the new length/,
  );
  expect(of({ warmup_steps: 40, decay_steps: 90 }, 200)).toContain(
    'and then falls until step 90 (optimizer.decay_steps)',
  );
  expect(of({ warmup_steps: 40, schedule: 'constant' }, 200)).toMatch(
    /until step 40 .*, and then is constant at 0.0003/,
  );
  expect(of({ warmup_steps: 10 }, 200)).not.toContain('rises');
});

test('a seed that nothing is drawn by any more says so', () => {
  expect(notices({ seed: 5 })['run/seed-changed']).toContain('changes nothing');
});
