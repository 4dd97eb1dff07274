import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Manifest } from '../../src/checkpoint/index.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { requireNativeEngine } from '../../src/train/prepare_run.js';
import { generate } from '../../src/train/generate.js';
import type { GenerateSettings } from '../../src/train/generate_settings.js';
import { trainEvents } from '../../src/train/events.js';
import { resumeRun, trainWith, type ResumeSettings, type TrainSettings } from '../../src/launch/train.js';
import { surroundings } from '../../src/cli/surroundings.js';
import { launch } from '../../src/launch/launch.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { data, models } from '../../src/index.js';
import { scale } from './poison.js';
import { Workplace } from './tiny_run.js';

// Each mistake is one error, before anything runs: no run folder is left behind.

const work = new Workplace();
afterAll(() => work.remove());

let runs = 0;

/** Trains with a mistake; gives the error, having checked that nothing was begun. */
async function refused(mistake: TrainOptions): Promise<DiagnosticError> {
  const name = `refused-${runs++}`;
  const error = await work.train(name, mistake).then(
    () => null,
    (e: unknown) => e as DiagnosticError,
  );
  expect(error?.name).toBe('DiagnosticError');
  expect(error!.message.split('\n').length, error!.message).toBeLessThan(12);
  mkdirSync(work.file('runs'), { recursive: true });
  expect(readdirSync(work.file('runs'))).not.toContain(name);
  return error!;
}

test('no data, unreadable data', async () => {
  mkdirSync(work.file('empty'));
  expect((await refused({ data: { paths: [work.file('empty')] } })).code).toMatch(/^data\//);
  expect((await refused({ data: { paths: [work.file('missing.txt')] } })).message).toContain('missing.txt');
  writeFileSync(work.file('binary.txt'), Buffer.from([0, 255, 0, 254, 1, 2, 3, 0]));
  expect((await refused({ data: { paths: [work.file('binary.txt')] } })).code).toMatch(/^data\//);
});

test('data shorter than one batch', async () => {
  const error = await refused({ batch: { sequences: 4000, microbatch: 4 } });
  expect(error.code).toBe('data/shorter-than-one-batch');
});

test('more tensor ranks than heads: the nearest legal plan is named', async () => {
  const error = await refused({ plan: { tensor_parallel_size: 4 }, ranks: 4 });
  expect(error.code).toBe('plan/too-many-tensor-ranks');
  expect(error.message).toContain('tensor_parallel_size 2, data_parallel_size 2');
});

test('more stages than segments: the nearest legal plan is named', async () => {
  const error = await refused({ plan: { pipeline_parallel_size: 6 }, ranks: null });
  expect(error.code).toBe('plan/too-many-stages');
  expect(error.message).toContain('pipeline_parallel_size 3, data_parallel_size 2');
});

test('a world size that does not match the plan', async () => {
  const plan = { data_parallel_size: 2, tensor_parallel_size: 1 };
  expect((await refused({ plan, ranks: 3 })).code).toBe('config/option-conflict');
});

test('a plan file of another model, and one that is no plan', async () => {
  await work.train('planned', { steps: 1 });
  const file = work.file('plan.json');
  const plan = JSON.parse(readFileSync(work.file('runs', 'planned', 'plan.json'), 'utf8'));
  writeFileSync(file, JSON.stringify(plan));
  await work.train('planned again', { steps: 1, plan: file });
  expect(work.losses('planned again')).toEqual(work.losses('planned'));
  const model = { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 } as const;
  expect((await refused({ plan: file, model })).code).toBe('plan/for-another-model');
  writeFileSync(file, JSON.stringify({ ...plan, schedule: { kind: '1f1b', microbatches: 'two' } }));
  const error = await refused({ plan: file });
  expect(error.code).toBe('plan/invalid');
  expect(error.message).toContain('schedule.microbatches');
  // Of the configuration: another batch, another precision.
  writeFileSync(file, JSON.stringify(plan));
  const other = await refused({ plan: file, batch: { sequences: 6, microbatch: 1 } });
  expect(other.code).toBe('plan/contradicts-config');
  expect(other.diagnostic.fix).toContain('set batch.sequences to 4');
  expect((await refused({ plan: file, precision: 'f64' })).code).toBe('plan/contradicts-config');
  // Of the model: a name that it lacks.
  const [chunk] = plan.chunks;
  writeFileSync(file, JSON.stringify({ ...plan, chunks: [{ ...chunk, segments: ['embeding', 'blocks.0', 'head'] }] }));
  const unknown = await refused({ plan: file });
  expect(unknown.code).toBe('plan/unknown-name');
  expect(unknown.diagnostic.fix).toBe("write 'embedding'");
  writeFileSync(file, JSON.stringify(plan));
  expect((await refused({ plan: file, ranks: 2 })).code).toBe('train/world-size-differs');
  writeFileSync(file, JSON.stringify({ ...plan, flotilla_plan: 9 }));
  expect((await refused({ plan: file })).code).toBe('plan/version-unknown');
});

test('a field that does not exist, and one of the wrong type', async () => {
  const mistyped = { optimizer: { learning_rate: 1 } } as unknown as TrainOptions;
  expect(await refused(mistyped)).toMatchObject({ code: 'config/unknown-option' });
  expect((await refused({ steps: 'many' } as unknown as TrainOptions)).message).toContain("option 'steps'");
});

test('a name that is taken', async () => {
  await work.train('taken', { steps: 1 });
  await expect(work.train('taken', { steps: 1 })).rejects.toMatchObject({ code: 'run/exists' });
  expect(work.losses('taken')).toHaveLength(1);
});

test('a folder that is no run, a run that is over, a checkpoint that is damaged or cut short', async () => {
  await expect(work.resume('nowhere')).rejects.toMatchObject({ code: 'run/not-found' });
  await work.train('damaged', { steps: 2, checkpoint: { every_steps: 1 } });
  await expect(work.resume('damaged')).rejects.toMatchObject({ code: 'run/completed' });
  const file = work.file('runs', 'damaged', 'checkpoints', 'step-000002', 'model.safetensors');
  const bytes = readFileSync(file);
  bytes[bytes.length - 5] ^= 1;
  writeFileSync(file, bytes);
  const corrupt = await work.resume('damaged', ['steps=3']).catch((e: unknown) => e as DiagnosticError);
  expect(corrupt).toMatchObject({ code: 'checkpoint/file-corrupt' });
  expect((corrupt as DiagnosticError).message).toContain('step-000001');
  writeFileSync(file, bytes.subarray(0, bytes.length / 2));
  await expect(work.resume('damaged', ['steps=3'])).rejects.toMatchObject({ code: 'checkpoint/file-corrupt' });
});

test('a disk that refuses checkpoints from the start is said at once', async () => {
  const directory = work.file('not-a-folder');
  writeFileSync(directory, '');
  expect((await refused({ checkpoint: { directory } })).code).toBe('run/folder-not-written');
});

test('one that refuses them later: the run goes on, says so, and fails only where it could not save at its end', async () => {
  // A file where the folder of checkpoints was refuses every write; `checkpoint/` tries full disks.
  const events = trainEvents();
  events.subscribe(({ kind }) => {
    const directory = work.file('runs', 'full disk', 'checkpoints');
    if (kind !== 'started') return;
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
  });
  const run = trainWith(surroundings, work.options('full disk', { steps: 2, checkpoint: { every_steps: 1 } }), {
    events,
  });
  const error = await run.catch((e: unknown) => e as DiagnosticError);
  expect((error as DiagnosticError).code).toBe('checkpoint/save-failed');
  expect(work.losses('full disk')).toHaveLength(2);
  expect(readFileSync(work.file('runs', 'full disk', 'metrics.jsonl'), 'utf8')).toContain('"checkpoint/save-failed"');
});

test('no torch: the error says how to get one, and what works without', async () => {
  const env = { PATH: '/nonexistent', FLOTILLA_TORCH: work.file('no-torch') };
  const error = await requireNativeEngine({ addon: work.file('flotilla.node'), env }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: expect.stringMatching(/^engine\/(torch-not-found|addon-not-built)$/) });
  expect((error as Error).message).toContain('--engine reference');
});

test('a port that is taken', async () => {
  const server = net.createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port)),
  );
  await expect(launch({ ranks: 1, args: ['-e', ''], port })).rejects.toMatchObject({ code: 'launch/port-taken' });
  server.close();
});

test('more than the machine has: refused before the model is built or the data read', async () => {
  const huge = await refused({ model: { family: 'gpt', vocab: 1e9 }, data: { tokenizer: { vocab: 8192 } } });
  expect(huge.code).toBe('train/memory-exceeded');
  expect((await refused({ model: { family: 'gpt', layers: 1e6 } })).code).toBe('config/wrong-option');
  expect((await refused({ model: { family: 'llama', layers: 1024, dim: 4096, heads: 32 } })).code).toBe(
    'train/memory-exceeded',
  );
});

test.each([
  ['train', { run: 'xx' }, null],
  ['train', { event: 1 }, `did you mean 'events'?`],
  ['resume', { steps: 450 }, `overrides: ['steps=…']`],
  ['resume', { override: ['steps=9'] }, `did you mean 'overrides'?`],
  ['resume', { trustCode: true }, `did you mean 'trust_code'?`],
  ['generate', { prompt: 'the', max_new_tokens: 5 }, `did you mean 'tokens'?`],
  ['generate', { prompt: 'the', topK: 5 }, `did you mean 'top_k'?`],
])('a setting of %s() that nothing reads is refused: %o', async (call, settings, fix) => {
  const run = work.file('runs', 'none such');
  const made: Readonly<Record<string, () => Promise<unknown>>> = {
    train: () => trainWith(surroundings, work.options('settings'), settings as TrainSettings),
    resume: () => resumeRun(surroundings, run, settings as ResumeSettings),
    generate: () => generate(run, settings as GenerateSettings),
  };
  const error = await made[call]().catch((e: unknown) => e as DiagnosticError);
  expect(error).toMatchObject({ code: 'config/unknown-setting' });
  if (fix !== null) expect((error as DiagnosticError).diagnostic.fix).toContain(fix);
  expect(existsSync(work.file('runs', 'settings'))).toBe(false);
});

test('what a script gives in a form that cannot be is refused, and no run is looked for', async () => {
  const wrong = { code: 'config/wrong-option' };
  const run = work.file('runs', 'none such');
  await expect(resumeRun(surroundings, run, { overrides: { steps: 4 } as never })).rejects.toMatchObject(wrong);
  await expect(trainWith(surroundings, work.options('form'), { events: {} as never })).rejects.toMatchObject(wrong);
  await expect(generate(undefined as never)).rejects.toMatchObject({ code: 'run/not-found' });
  expect(() => data.text('a.md', { paths: ['b.md'] } as never)).toThrow(expect.objectContaining(wrong));
  const circle: Record<string, unknown> = {};
  circle.dim = circle;
  expect(() => new models.GPT(circle as never)).toThrow(expect.objectContaining(wrong));
  expect(existsSync(work.file('runs', 'form'))).toBe(false);
});

test('what is left out of sampling is as for the command; nothing but an object is settings', async () => {
  await work.train('usual', { steps: 1 });
  const run = work.file('runs', 'usual');
  const said = { prompt: '', tokens: 120, temperature: 0.8, top_k: 40, seed: 0 };
  expect(await generate(run)).toBe(await generate(run, said));
  for (const settings of ['the ship', null, []])
    await expect(generate(run, settings as unknown as GenerateSettings)).rejects.toMatchObject({
      code: 'config/wrong-option',
    });
});

test('what sampling is asked for has ranges', async () => {
  await work.train('sampled', { steps: 1 });
  const usual = { prompt: '', tokens: 1, temperature: 1, top_k: 1, seed: 0 };
  for (const wrong of [
    { temperature: -1 },
    { temperature: NaN },
    { top_k: 1.5 },
    { top_k: -1 },
    { tokens: -3 },
    { tokens: Infinity },
    { seed: -1 },
  ]) {
    const error = await generate(work.file('runs', 'sampled'), { ...usual, ...wrong }).then(
      () => null,
      (e: unknown) => e as DiagnosticError,
    );
    expect(error?.code, JSON.stringify(wrong)).toBe('config/wrong-option');
  }
});

test('a run whose gradients are not finite ends with what made them so, and its state is saved', async () => {
  // A norm whose square is no f32 any more: each loss is finite, each update left out.
  const model = { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8 } as const;
  await work.train('skips', { model, steps: 1 });
  scale(work.checkpoint('skips', 1), 'blocks.0.mlp.up.weight', 1e25);
  const error = await work.resume('skips', ['steps=60']).catch((e: unknown) => e as DiagnosticError);
  expect(error).toMatchObject({ code: 'train/updates-skipped' });
  expect((error as DiagnosticError).message).toMatch(/^20 of 20 updates were left out/);
  expect((error as DiagnosticError).message).toContain('so the learning rate is not the cause');
  expect(work.losses('skips')).toHaveLength(21);
  // What was left out does not count: moments are of one update.
  const manifest = JSON.parse(
    readFileSync(path.join(work.checkpoint('skips', 21), 'manifest.json'), 'utf8'),
  ) as Manifest;
  expect([manifest.step, manifest.optimizer.step]).toEqual([21, 1]);
  // At the end of a short run too.
  const short = await work.resume('skips', ['steps=23']).catch((e: unknown) => e as DiagnosticError);
  expect(short).toMatchObject({ code: 'train/updates-skipped', message: expect.stringMatching(/^2 of 2 updates/) });
  // It was the last step, in f32 already.
  expect((short as DiagnosticError).message).not.toMatch(/go(es)? on from it|precision/);
});

test('without eps, rows of an embedding that no token has used stay as they are, and so does padding', async () => {
  // They have a gradient and a moment of zero: 0/0.
  const model = { family: 'llama', layers: 1, dim: 8, heads: 2, context: 8, vocab: 600 } as const;
  const options = { model, optimizer: { lr: 1e-2, warmup_steps: 0, eps: 0, weight_decay: 0 }, steps: 3 } as const;
  for (const [name, place] of [
    ['unused', {}],
    [
      'unused in parts',
      { ranks: 3, batch: { sequences: 6, microbatch: 2 }, plan: { data_parallel_size: 3, zero_stage: 3 } },
    ],
  ] as const) {
    await work.train(name, { ...options, ...place });
    expect(work.losses(name).every(Number.isFinite)).toBe(true);
    expect(existsSync(work.checkpoint(name, 3))).toBe(true);
  }
});

test('weights that are no longer finite are not saved, and end the run', async () => {
  // lr over a first correction of a tenth is no f32 any more.
  const model = { family: 'llama', layers: 1, dim: 8, heads: 2, context: 8 } as const;
  const checkpoint = { every_steps: 1, keep: 1 };
  const diverging = work.train('nan', {
    model,
    optimizer: { lr: 1e38, warmup_steps: 0 },
    checkpoint,
    steps: 5,
  });
  const error = await diverging.catch((e: unknown) => e as DiagnosticError);
  expect(error).toMatchObject({ code: 'checkpoint/not-finite' });
  expect(readdirSync(work.file('runs', 'nan', 'checkpoints'))).toEqual(['owner.json']);
  // Where several ranks have them in buckets, the tensor is named all the same.
  const inParts = work.train('nan in parts', {
    model,
    optimizer: { lr: 1e38, warmup_steps: 0 },
    ranks: 2,
    plan: { data_parallel_size: 2, zero_stage: 3 },
    steps: 1,
  });
  await expect(inParts).rejects.toMatchObject({
    code: 'checkpoint/not-finite',
    message: expect.stringMatching(
      /of '(optimizer\.\w+\.)?(embedding|blocks\.0|norm|head)[\w.]*' is not finite/,
    ) as string,
  });
  // A good one stays, whatever is to be kept.
  await work.train('good', { model, steps: 2 });
  const later = ['steps=6', 'optimizer.lr=3e38', 'checkpoint.every_steps=1', 'checkpoint.keep=1'];
  await expect(work.resume('good', later)).rejects.toMatchObject({ code: 'checkpoint/not-finite' });
  expect(readdirSync(work.file('runs', 'good', 'checkpoints'))).toContain('step-000002');
  // The name of the one that left nothing can be used again.
  const { events } = await work.train('nan', { steps: 2 });
  expect(events.find((event) => event.kind === 'warning')).toMatchObject({ code: 'run/starts-over' });
  expect(work.losses('nan')).toHaveLength(2);
});

test('a run that another process has taken over saves nothing more; one that works is refused to others', async () => {
  const name = 'taken over';
  const events = trainEvents();
  const lock = work.file('runs', name, 'lock');
  const refusals: string[] = [];
  events.subscribe((event) => {
    if (event.kind !== 'step' || event.step !== 2) return;
    const holder = JSON.parse(readFileSync(lock, 'utf8'));
    expect(holder).toMatchObject({ pid: process.pid });
    for (const other of [work.resume(name, ['steps=9']), work.train(name)])
      void other.catch((error: { code: string }) => refusals.push(error.code));
    // As a machine that slept finds it.
    writeFileSync(lock, JSON.stringify({ ...holder, token: 'another' }));
  });
  const run = trainWith(surroundings, work.options(name, { steps: 3, checkpoint: { every_steps: 1, keep: 9 } }), {
    events,
  });
  await expect(run).rejects.toMatchObject({ code: 'run/lock-lost' });
  expect(readdirSync(work.file('runs', name, 'checkpoints')).sort()).toEqual(['latest', 'owner.json', 'step-000001']);
  // The lock is the other's now, and stays.
  expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ token: 'another' });
  await expect.poll(() => refusals).toEqual(['run/locked', 'run/locked']);
});
