import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { trainEvents, type TrainEvent } from '../../src/train/events.js';
import { Scripts } from './script_runs.js';
import { Workplace } from './tiny_run.js';

// A script that stops its own run: by an AbortSignal, at every moment of it.

const work = new Workplace();
afterAll(() => work.remove());
const scripts = new Scripts(work);

/** Trains a run, in this process, that is aborted at an event. */
async function abortedAt(name: string, moment: (event: TrainEvent) => boolean, steps = 100) {
  const stop = new AbortController();
  const events = trainEvents();
  events.subscribe((event) => moment(event) && stop.abort());
  return work.train(name, { steps }, { signal: stop.signal, events });
}

const saved = (name: string): readonly string[] =>
  existsSync(work.file('runs', name, 'checkpoints')) ? readdirSync(work.file('runs', name, 'checkpoints')) : [];

test('an abort in a handler of events stops after the step that was told of, saved, and can be gone on with', async () => {
  const { interrupted, aborted, complete, summary } = await abortedAt(
    'at a step',
    (event) => event.kind === 'step' && event.step === 3,
  );
  expect({ interrupted, aborted, complete }).toEqual({ interrupted: true, aborted: true, complete: false });
  expect(summary.steps).toBe(3);
  expect(saved('at a step')).toEqual(['latest', 'owner.json', 'step-000003']);
  const log = readFileSync(work.file('runs', 'at a step', 'log.txt'), 'utf8');
  expect(log).toContain('aborted by the script: stopping after the step that runs now, then saving\n');
  expect(log).toContain('stopped after step 3 and saved; go on with');
  const resumed = await work.resume('at a step', ['steps=5']);
  expect(resumed).toMatchObject({ interrupted: false, aborted: false, complete: true, summary: { steps: 5 } });
});

test('a signal that is aborted already changes nothing: no folder, no word but the reason', async () => {
  const before = readdirSync(work.file('runs'));
  const signal = AbortSignal.abort(new Error('the loss of another run was better'));
  const refused = work.train('never', {}, { signal });
  await expect(refused).rejects.toMatchObject({ code: 'launch/aborted' });
  await expect(refused).rejects.toThrow(/before its first step: nothing was trained.*\n +why +the loss of another run/);
  expect(readdirSync(work.file('runs'))).toEqual(before);
});

test('an abort while data is read leaves no folder', async () => {
  const refused = abortedAt('set-up', (event) => event.kind === 'setup_finished');
  await expect(refused).rejects.toMatchObject({ code: 'launch/aborted' });
  expect(existsSync(work.file('runs', 'set-up'))).toBe(false);
});

test('an abort once the programs are compiled saves step 0; one after the last step leaves out what comes then', async () => {
  const early = await abortedAt('compiled', ({ kind }) => kind === 'compiled');
  expect(early).toMatchObject({ interrupted: true, aborted: true, complete: false, summary: { steps: 0 } });
  expect(saved('compiled')).toContain('step-000000');
  const late = await abortedAt('late', ({ kind }) => kind === 'checkpoint', 2);
  expect(late).toMatchObject({ interrupted: true, aborted: true, complete: true, summary: { steps: 2 } });
});

test('a resume that is aborted before its first step leaves the run as it was', async () => {
  await work.train('resumed');
  const record = readFileSync(work.file('runs', 'resumed', 'config.json'), 'utf8');
  const signal = AbortSignal.abort();
  await expect(work.resume('resumed', ['steps=9'], { signal })).rejects.toMatchObject({ code: 'launch/aborted' });
  expect(readFileSync(work.file('runs', 'resumed', 'config.json'), 'utf8')).toBe(record);
  expect((await work.resume('resumed', ['steps=6'])).summary.steps).toBe(6);
});

test('what is no AbortSignal is refused', async () => {
  for (const signal of [new AbortController(), true, 'SIGINT', null])
    await expect(work.train('no signal', {}, { signal: signal as never })).rejects.toMatchObject({
      code: 'launch/not-a-signal',
    });
});

/** Aborts at the third step. */
const stopping = `const events = trainEvents();
  const stop = new AbortController();
  events.subscribe(({ kind, step }) => kind === 'step' && step === 3 && stop.abort());
  const settings = { events, signal: stop.signal };`;

test('after an abort a script goes on: its next run trains, and its status is its own', () => {
  const { status, stdout, stderr } = scripts.run(
    'goes_on.mjs',
    `${stopping}
     const first = await train({ ...onReference('goes on'), steps: 1000 }, settings);
     const again = await train(onReference('again'), settings).catch((error) => error.code);
     const second = await train(onReference('second'));
     console.log(first.interrupted, first.aborted, first.summary.steps, again, second.complete);`,
  );
  expect(stdout, stderr).toBe('true true 3 launch/aborted true\n');
  expect(status).toBe(0);
  expect(stderr).toBe('');
});

test('a signal of the system during an aborted run ends the script', () => {
  const { status, stdout, stderr } = scripts.run(
    'both.mjs',
    `${stopping}
     events.subscribe(({ kind, step }) => kind === 'step' && step === 3 && process.kill(process.pid, 'SIGTERM'));
     const { interrupted, aborted } = await train({ ...onReference('both'), steps: 1000 }, settings);
     console.log(interrupted, aborted);
     await train(onReference('never'));`,
  );
  expect(stdout, stderr).toBe('true false\n');
  expect(stderr).toContain('SIGTERM: stopping after the step that runs now, then saving; a second Ctrl-C');
  expect(stderr).toContain('launch/stopped-before');
  expect(status).toBe(130);
});

testOfRanks(2)('an abort stops rank processes together, and one before they compile trains nothing', () => {
  const { status, stdout, stderr } = scripts.run(
    'ranks.mjs',
    `${stopping}
     const first = await train({ ...options('abort ranks'), ranks: 2, steps: 1e6, model: mine(8) }, settings);
     const early = new AbortController();
     const told = trainEvents();
     told.subscribe(({ kind }) => kind === 'setup_finished' && early.abort());
     const none = await train({ ...options('abort early'), ranks: 2 }, { events: told, signal: early.signal }).catch((e) => e.code);
     const second = await train({ ...options('abort next'), ranks: 1 });
     console.log(first.interrupted, first.aborted, first.summary.steps >= 3, none, second.complete);`,
  );
  expect(stdout, stderr).toBe('true true true launch/aborted true\n');
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

testOfRanks(2)(
  'under another launcher an abort in one process stops all, and the scripts of all go on alike',
  async () => {
    const ranks = await scripts.runInRanks(
      'outer.mjs',
      `${stopping}
     const first = await train({ ...options('outer'), ranks: 2, steps: 1e6, model: mine(8) }, settings);
     const own = process.env.RANK === '1' ? { signal: AbortSignal.abort() } : {};
     const none = await train({ ...options('outer none'), ranks: 2 }, own).catch((error) => error.code);
     const second = await train({ ...options('outer next'), ranks: 2 });
     console.log('ended', first.interrupted, first.aborted, none, second.complete);`,
    );
    for (const { status, stdout, stderr } of ranks) {
      expect(stdout, stderr).toContain('ended true true launch/aborted true\n');
      expect(status).toBe(0);
    }
  },
);
