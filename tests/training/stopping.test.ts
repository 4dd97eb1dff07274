/** Real ranks that are interrupted, stopped and killed from outside. `npm run fuzz -- stop` does so at random, and often. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { StartedRun } from '../fuzz/started_run.js';
import { onNative, onReference, Workplace } from './tiny_run.js';
import { flotillaFirst, flotillaMain } from '../setup/built.js';

const work = new Workplace();
const started: StartedRun[] = [];
afterAll(() => {
  for (const run of started) run.killAll();
  work.remove();
});

const endless = { steps: 1_000_000, threads: 1 } as const;

/** A run as a user starts it, in a process group of its own. */
function start(name: string, options: TrainOptions): StartedRun {
  const config = work.file(`${name}.json`);
  writeFileSync(config, JSON.stringify(work.options(name, options)));
  const args = ['--import', flotillaFirst, flotillaMain, 'train', config];
  const run = new StartedRun(process.execPath, args, work.file('runs', name));
  started.push(run);
  return run;
}

/** That a run has stopped after its last step, or before it took one, with the state of then and nothing else saved. */
async function expectSaved(run: StartedRun): Promise<void> {
  expect((await run.ended).status, run.output).toBe(130);
  const none = 'stopped before a step was taken: its first weights are saved';
  expect(run.output).toContain(run.steps > 0 ? `stopped after step ${run.steps} and saved` : none);
  expect(run.checkpoints).toEqual([`step-${String(run.steps).padStart(6, '0')}`]);
}

testOfRanks(2)('SIGTERM to every process of a pipeline stops all stages after one step', async () => {
  const run = start('group', { ...onNative, ...endless, ranks: 2, plan: { pipeline_parallel_size: 2 } });
  await run.until('two steps', () => run.steps >= 2);
  process.kill(-run.pid, 'SIGTERM');
  await expectSaved(run);
});

testOfRanks(2)('a rank that is stopped is named, and goes on; a warning of Slurm’s to it alone stops all', async () => {
  const run = start('one', { ...onNative, ...endless, ranks: 2 });
  await run.until('two steps', () => run.steps >= 2);
  const pid = run.ranks().get(1)!;
  process.kill(pid, 'SIGSTOP');
  await run.until('the name of the rank', () => /rank 1 \(process \d+ on .*\) has not been heard of/.test(run.output));
  process.kill(pid, 'SIGCONT');
  await run.until('a word that it goes on', () => /rank 1 .* is heard of again/.test(run.output));
  process.kill(pid, 'SIGUSR1');
  await expectSaved(run);
});

testOfRanks(2)('a second Ctrl-C does not wait for a rank that cannot save', async () => {
  const run = start('hurried', { ...onNative, ...endless, ranks: 2 });
  await run.until('two steps', () => run.steps >= 2);
  process.kill(run.ranks().get(0)!, 'SIGSTOP');
  for (let signal = 0; signal < 3; signal++) process.kill(run.pid, 'SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(run.child.exitCode).toBeNull();
  process.kill(run.pid, 'SIGINT');
  expect((await run.ended).status).toBe(130);
  expect(run.output).toContain('stopped by SIGINT');
});

testOfRanks(2)('what comes of a signal is said at once, and one before the first step is no exception', async () => {
  const run = start('compiled', { ...onNative, ...endless, ranks: 2 });
  await run.until('that it is compiled', () => run.output.includes('compiled in'));
  process.kill(run.pid, 'SIGTERM');
  await expectSaved(run);
  const word = 'SIGTERM: stopping after the step that runs now or the next, then saving';
  expect(run.output.split(word)).toHaveLength(2);
  expect(readFileSync(work.file('runs', 'compiled', 'log.txt'), 'utf8')).toContain(word);
});

test('a signal during the set-up ends it with a word', async () => {
  const run = start('set-up', endless);
  await run.until('that data is read', () => run.output.includes('data: '));
  process.kill(run.pid, 'SIGHUP');
  expect((await run.ended).status).toBe(130);
  expect(run.output).toContain('stopped by SIGHUP before the first step: nothing was trained');
  expect(run.steps).toBe(0);
});

test('a sample that is computed in the process itself hears a signal between two tokens', async () => {
  const run = start('sample', { ...onReference, steps: 1, sample: { tokens: 1_000_000 } });
  await run.until('the end of training', () => /validation loss/.test(run.output));
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.kill(run.pid, 'SIGINT');
  const asked = performance.now();
  expect((await run.ended).status, run.output).toBe(130);
  expect(performance.now() - asked).toBeLessThan(20_000);
  expect(run.output).toContain('stopped after the last step');
});
