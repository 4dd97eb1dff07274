import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runsText } from '../../src/observe/index.js';
import { listRunCheckpoints } from '../../src/run/list_checkpoints.js';
import { listRuns } from '../../src/run/list_runs.js';
import { RunLock } from '../../src/run/lock.js';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
import { flotillaMain } from '../setup/built.js';
import { folderBytes } from './folder_bytes.js';
import { poison } from './poison.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

test('what runs and checkpoints there are, what each is worth, and going on from any of them', async () => {
  const checkpoint = { every_steps: 1, keep: 9 };
  await work.train('a', { steps: 4, checkpoint });
  await work.train('broken', { steps: 1 });
  const [run, runs] = [work.file('runs', 'a'), work.file('runs')];
  writeFileSync(work.file('runs', 'broken', 'config.json'), '{');
  mkdirSync(work.file('runs', 'not a run'));

  // Of the four, one is damaged, and one has gone wrong unseen, as those of an earlier version could.
  const damaged = path.join(work.checkpoint('a', 2), 'model.safetensors');
  const bytes = readFileSync(damaged);
  bytes[bytes.length - 5] ^= 1;
  writeFileSync(damaged, bytes);
  poison(work.checkpoint('a', 3), 'blocks.0.mlp.up.weight');
  const before = folderBytes(runs);
  const losses = work.losses('a');
  const listed = await listRunCheckpoints(run);
  expect(listed.map(({ step, state, isLatest }) => [step, state, isLatest])).toEqual([
    [4, 'verified', true],
    [3, 'not finite', false],
    [2, 'broken', false],
    [1, 'verified', false],
  ]);
  expect(listed.map(({ trainingLoss }) => trainingLoss)).toEqual(losses.toReversed());
  expect(listed[2].problem).toContain('SHA-256');

  const names = async () => (await listRuns(runs)).map(({ name, state, step }) => [name, state, step]);
  expect(await names()).toEqual([
    ['a', 'complete', 4],
    ['broken', 'broken', null],
  ]);
  const lock = RunLock.take(run);
  expect((await names())[0]).toEqual(['a', 'running', 4]);
  lock.release();
  await expect(listRuns(work.file('corpus'))).rejects.toMatchObject({ code: 'run/none-found' });

  const sample = (step?: number) =>
    generate(run, { prompt: 'the', tokens: 12, temperature: 0, top_k: 0, seed: 0, checkpoint: step });
  expect(await sample(4)).toBe(await sample());
  expect((await explainTarget(run, { checkpoint: 1 })).checkpoint).toMatchObject({ step: 1, tokens: 32 });
  expect(folderBytes(runs)).toEqual(before);

  // From the first on, as if it had never gone further; the abandoned ones are the first to go.
  const { events } = await work.resume('a', ['checkpoint.keep=2'], { checkpoint: 1 });
  expect(events.find(({ kind }) => kind === 'started')).toMatchObject({ resumedFrom: 1 });
  expect(work.losses('a')).toEqual(losses);
  expect((await listRunCheckpoints(run)).map(({ step, state }) => [step, state])).toEqual([
    [4, 'verified'],
    [3, 'verified'],
  ]);
});

test('the losses of a run are those of the step that it shows, and one that has saved nothing says how far it is', async () => {
  const { events } = await work.train('killed', {
    steps: 4,
    checkpoint: { every_steps: 1, keep: 9 },
    evaluation: { every_steps: 1, batches: 1 },
  });
  const run = work.file('runs', 'killed');
  const listed = async () => (await listRuns(work.file('runs'))).find(({ name }) => name === 'killed')!;
  const losses = work.losses('killed');
  const validations = events.flatMap((event) => (event.kind === 'validation' ? [event.loss] : []));
  const shown = async () => {
    const { step, unsavedStep, trainingLoss, validationLoss } = await listed();
    return { step, unsavedStep, trainingLoss, validationLoss };
  };
  const ofStep = (step: number) => ({
    step,
    unsavedStep: null,
    trainingLoss: losses[step - 1],
    validationLoss: validations[step - 1],
  });
  expect(await shown()).toEqual(ofStep(4));
  // What a checkpoint weighs is what its save has told.
  const saved = events.flatMap((event) => (event.kind === 'checkpoint' ? [event.bytes] : []));
  expect((await listRunCheckpoints(run)).map(({ bytes }) => bytes)).toEqual(saved.toReversed());

  // The log goes on beyond the last checkpoint where a run was killed, or one was taken away; also by more than is read at first.
  rmSync(work.checkpoint('killed', 4), { recursive: true });
  const latest = path.join(run, 'checkpoints', 'latest');
  writeFileSync(latest, 'step-000003\n');
  expect(await shown()).toEqual(ofStep(3));
  for (const step of [3, 2]) rmSync(work.checkpoint('killed', step), { recursive: true });
  writeFileSync(latest, 'step-000001\n');
  const metrics = path.join(run, 'metrics.jsonl');
  const line = `${readFileSync(metrics, 'utf8').trimEnd().split('\n').at(-1)!}\n`;
  appendFileSync(metrics, line.repeat(Math.ceil(5e5 / line.length)));
  expect(await shown()).toEqual(ofStep(1));
  expect((await listRunCheckpoints(run))[0]).toMatchObject({ trainingLoss: losses[0], validationLoss: validations[0] });

  rmSync(path.join(run, 'checkpoints'), { recursive: true });
  const lock = RunLock.take(run);
  const running = await listed();
  expect(running).toMatchObject({ ...ofStep(4), state: 'running', step: null, unsavedStep: 4 });
  expect(runsText([running])).toContain('4 of 4 (not saved)');
  lock.release();
});

test('`flotilla checkpoints` ends with 1 where one of them is broken', async () => {
  await work.train('status', { steps: 2, checkpoint: { every_steps: 1, keep: 9 } });
  const status = () =>
    spawnSync(process.execPath, [flotillaMain, 'checkpoints', work.file('runs', 'status')], { encoding: 'utf8' });
  expect(status()).toMatchObject({ status: 0, stderr: '' });
  writeFileSync(path.join(work.checkpoint('status', 1), 'model.safetensors'), 'x');
  const broken = status();
  expect(broken.stdout).toContain('broken');
  expect(broken.status).toBe(1);
});
