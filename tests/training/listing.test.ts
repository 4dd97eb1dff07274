import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { listRunCheckpoints } from '../../src/run/list_checkpoints.js';
import { listRuns } from '../../src/run/list_runs.js';
import { RunLock } from '../../src/run/lock.js';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
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
    generate(run, { prompt: 'the', tokens: 12, temperature: 0, topK: null, seed: 0, checkpoint: step });
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
