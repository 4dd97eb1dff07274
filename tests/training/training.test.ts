import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { generate } from '../../src/train/generate.js';
import { byDevice, onReference, Workplace } from './tiny_run.js';

// One rank computes on the device of the tests; several are virtual ones of the reference engine.

const work = new Workplace(byDevice);
afterAll(() => work.remove());

test('the loss falls, and the run folder holds all that a run is', async () => {
  const { summary, folder, events } = await work.train('whole', {
    steps: 12,
    evaluation: { every_steps: 6, batches: 2 },
    checkpoint: { every_steps: 6 },
    sample: { tokens: 4 },
  });
  const losses = work.losses('whole');
  expect(losses).toHaveLength(12);
  expect(losses[0]).toBeGreaterThan(5.4);
  expect(losses[11]).toBeLessThan(losses[0] - 0.4);
  expect(summary).toMatchObject({ steps: 12, ranks: 1, engine: byDevice.engine, folder });
  expect(summary.validationLoss).toBeLessThan(losses[0]);
  expect(summary.bigramLoss).toBeLessThan(summary.unigramLoss!);
  expect(events.filter(({ kind }) => kind === 'validation')).toHaveLength(2);
  for (const file of [
    'config.json',
    'plan.json',
    'plan.resolved.json',
    'run.json',
    'tokenizer.json',
    'summary.json',
    'checkpoints/latest',
  ]) {
    expect(existsSync(work.file('runs', 'whole', file)), file).toBe(true);
  }
  const written = JSON.parse(readFileSync(work.file('runs', 'whole', 'summary.json'), 'utf8'));
  expect(written.validation_loss).toBe(summary.validationLoss);
});

test('a run that stopped goes on bit for bit', async () => {
  await work.train('straight', { steps: 5 });
  await work.train('stopped', { steps: 2 });
  const { events } = await work.resume('stopped', ['steps=5']);
  expect(events.find(({ kind }) => kind === 'started')).toMatchObject({ resumedFrom: 2, steps: 5 });
  expect(work.losses('stopped')).toEqual(work.losses('straight'));
  expect(work.tensorHashes('stopped', 5)).toEqual(work.tensorHashes('straight', 5));
});

test('dropout goes on bit for bit too, and differs from microbatch to microbatch', async () => {
  const model = { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8, dropout: 0.3 } as const;
  await work.train('dropout straight', { steps: 4, model });
  await work.train('dropout stopped', { steps: 2, model });
  await work.resume('dropout stopped', ['steps=4']);
  expect(work.tensorHashes('dropout stopped', 4)).toEqual(work.tensorHashes('dropout straight', 4));
  // Two ranks take two microbatches at once, one takes them after another: the same masks.
  for (const ranks of [1, 2]) await work.train(`dropout ${ranks}`, { ...onReference, steps: 2, model, ranks });
  expectClose(work.losses('dropout 2'), work.losses('dropout 1'));
});

test('the plan does not change what is learnt: data, tensor, both, ZeRO-1 and pipelines, on virtual ranks', async () => {
  const plans = {
    data: { data_parallel_size: 2 },
    tensor: { tensor_parallel_size: 2 },
    both: { data_parallel_size: 2, tensor_parallel_size: 2 },
    zero: { data_parallel_size: 2, zero_stage: 1 },
    pipeline: { pipeline_parallel_size: 2 },
  };
  await work.train('serial', { ...onReference, steps: 3 });
  for (const [name, plan] of Object.entries(plans)) {
    await work.train(name, { ...onReference, steps: 3, plan, ranks: null });
    expectClose(work.losses(name), work.losses('serial'));
  }
});

test('nor do schedules that run several chunks on a group, or cut backward in two', async () => {
  const more = { ...onReference, steps: 2, model: { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 } } as const;
  const plans = {
    interleaved: { pipeline_parallel_size: 2, virtual_stages: 2 },
    'V without bubbles': { pipeline_parallel_size: 2, pipeline_schedule: 'zb-v' },
    'uneven, zero bubbles': { pipeline_parallel_size: 2, pipeline_schedule: 'zb-h1', stage_layers: [0, 2] },
  };
  await work.train('two layers', more);
  for (const [name, plan] of Object.entries(plans)) {
    await work.train(name, { ...more, plan, ranks: null });
    expectClose(work.losses(name), work.losses('two layers'));
  }
});

test('a batch that does not divide over the ranks trains as on one: some take a microbatch less, and who has none is named', async () => {
  const batch = { sequences: 5, microbatch: 1 };
  const more = { ...onReference, steps: 3, batch, evaluation: { every_steps: 3, batches: 2 } };
  const serial = await work.train('five, serial', more);
  const plans = {
    'five, data 2': { data_parallel_size: 2 },
    'five, data 3 and stages': { data_parallel_size: 3, pipeline_parallel_size: 2 },
    'five, data 8': { data_parallel_size: 8 },
  };
  for (const [name, plan] of Object.entries(plans)) {
    const { summary, events } = await work.train(name, { ...more, plan, ranks: null });
    expectClose(work.losses(name), work.losses('five, serial'));
    expectClose([summary.validationLoss!], [serial.summary.validationLoss!]);
    const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message.split(' [')[0]] : []));
    expect(warnings).toEqual(name === 'five, data 8' ? ['ranks 5 to 7 of 8 have nothing to compute'] : []);
  }
});

test('a checkpoint is the same whatever the plan: it goes on under another one with the same loss', async () => {
  await work.train('from', { ...onReference, steps: 2, plan: { tensor_parallel_size: 2 }, ranks: null });
  await work.train('to', { ...onReference, steps: 4 });
  const onData = ['steps=4', 'plan.tensor_parallel_size=1', 'plan.data_parallel_size=2'];
  await work.resume('from', onData);
  expectClose(work.losses('from'), work.losses('to'));
});

test('the length in minutes is decided once, kept, and followed by the learning rate', async () => {
  const { events } = await work.train('minutes', { steps: null, minutes: 0.01 });
  const length = events.find((event) => event.kind === 'length');
  const record = JSON.parse(readFileSync(work.file('runs', 'minutes', 'run.json'), 'utf8'));
  expect(length?.steps).toBeGreaterThanOrEqual(13);
  expect(record.steps).toBe(length?.steps);
  expect(work.losses('minutes')).toHaveLength(record.steps);
});

test('a seed gives one text, another seed another', async () => {
  const options = { prompt: 'the ship', tokens: 8, temperature: 1, top_k: 0 };
  const folder = work.file('runs', 'whole');
  const pieces: string[] = [];
  const first = await generate(folder, { ...options, seed: 1, onText: (text) => pieces.push(text) });
  expect(await generate(folder, { ...options, seed: 1 })).toBe(first);
  expect(await generate(folder, { ...options, seed: 2 })).not.toBe(first);
  expect(first.startsWith(pieces.join(''))).toBe(true);
});

test('a loss that is no number stops the run, says where it began, and leaves the last checkpoint', async () => {
  const optimizer = { lr: 1e30, warmup_steps: 0, clip_grad_norm: null, schedule: 'constant' } as const;
  const run = work.train('diverges', { steps: 20, optimizer, checkpoint: { every_steps: 1 } });
  const error = await run.catch((e: unknown) => e as Error & { code: string });
  // Of a rank process the launcher tells the error as its own.
  const code = byDevice.engine === 'reference' ? 'train/loss-not-finite' : 'launch/rank-failed';
  expect(error).toMatchObject({ code });
  expect((error as Error).message).toMatch(/the loss of step \d+ is /);
  expect((error as Error).message).toMatch(/first value that is not finite is (NaN|Infinity) in '/);
  expect((error as Error).message).toMatch(/checkpoint is intact: .*step-00000\d/);
  expect(existsSync(work.file('runs', 'diverges', 'checkpoints', 'latest'))).toBe(true);
});

test.each([
  // An update that makes a weight infinite by itself, and one whose weights make the next forward infinite.
  { lr: 1e38, warmup_steps: 0, rate: '1e+38', schedule: 'optimizer.lr 1e+38, constant, 0 steps of warm-up' },
  { lr: 1e30, warmup_steps: 4, rate: '2e+29', schedule: 'optimizer.lr 1e+30, constant, 4 steps of warm-up' },
])('of a learning rate that is too high ($rate) the rate is named first, and the data last', async (given) => {
  const { lr, warmup_steps, rate, schedule } = given;
  const name = `rate ${rate}`;
  const optimizer = { lr, warmup_steps, schedule: 'constant', clip_grad_norm: null } as const;
  const error = await work.train(name, { steps: 20, optimizer }).catch((e: unknown) => e as Error);
  const { message } = error as Error;
  expect(message).toContain(
    `the last update, of step 1, had a learning rate of ${rate} (${schedule}): lower optimizer.lr`,
  );
  expect(message).not.toContain('no fault of this step');
  expect(message.indexOf('optimizer.clip_grad_norm, which is null')).toBeLessThan(message.indexOf('data of step 2'));
  // What is set already is not advised.
  const clipped = await work
    .train(`${name}, clipped`, { steps: 20, optimizer: { ...optimizer, clip_grad_norm: 1 } })
    .catch((e: unknown) => e as Error);
  expect((clipped as Error).message).toContain(`a learning rate of ${rate}`);
  expect((clipped as Error).message).not.toContain('clip_grad_norm');
});

/** Equal to rounding in f32. */
function expectClose(a: readonly number[], b: readonly number[]): void {
  expect(a).toHaveLength(b.length);
  a.forEach((loss, i) => expect(Math.abs(loss - b[i])).toBeLessThan(1e-5 * b[i]));
}
