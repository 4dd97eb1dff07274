/** What is around a run never ends it, and nothing that comes after its last step loses what was trained. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { surroundings } from '../../src/cli/surroundings.js';
import { trainWith } from '../../src/launch/train.js';
import { openRunLog } from '../../src/observe/run_log.js';
import { summaryFile } from '../../src/observe/summary_file.js';
import { RunFolder } from '../../src/run/folder.js';
import { trainEvents, type TrainEvent } from '../../src/train/events.js';
import { StartedRun } from '../fuzz/started_run.js';
import { Workplace } from './tiny_run.js';
import { flotillaMain } from '../setup/built.js';

const work = new Workplace();
afterAll(() => work.remove());

/** Trains on the reference engine; `listen` is told of every event. */
function train(name: string, listen: (event: TrainEvent) => void, options = {}, around = surroundings) {
  const events = trainEvents();
  events.subscribe(listen);
  return trainWith(around, work.options(name, options), { events });
}

/** A configuration file, and the arguments that train it on the reference engine. */
function command(name: string, steps: number): readonly string[] {
  const config = work.file(`${name}.json`);
  writeFileSync(config, JSON.stringify(work.options(name, { steps })));
  return [flotillaMain, 'train', config];
}

test.each(['--name', '--run'])('%s names the run folder', async (flag) => {
  const name = `by ${flag}`;
  const run = new StartedRun(process.execPath, [...command('config', 1), flag, name], work.file('runs', name));
  expect((await run.ended).status, run.output).toBe(0);
  expect(run.checkpoints).toEqual(['step-000001']);
});

test('a reader that leaves after the first line, of output and errors, changes nothing', async () => {
  const run = new StartedRun(process.execPath, command('head', 40), work.file('runs', 'head'));
  run.child.stdout!.once('data', () => {
    run.child.stdout!.destroy();
    run.child.stderr!.destroy();
  });
  expect((await run.ended).status).toBe(0);
  expect(run.checkpoints).toEqual(['step-000040']);
  const log = readFileSync(work.file('runs', 'head', 'log.txt'), 'utf8');
  expect(log).toMatch(/^run head: 1 rank, reference on cpu, f32, 40 steps$/m);
  expect(log).toMatch(/^step 40\/40: loss/m);
});

test('a full disk under output and errors changes nothing', async () => {
  const full = openSync('/dev/full', 'w');
  const run = new StartedRun(process.execPath, command('full', 5), work.file('runs', 'full'), ['ignore', full, full]);
  closeSync(full);
  expect((await run.ended).status).toBe(0);
  expect(run.checkpoints).toEqual(['step-000005']);
});

test('a file that the summary cannot be written to is refused before anything is trained', async () => {
  const json = work.file('nowhere', 'summary.json');
  const args = [...command('json', 5), '--json', json];
  const run = new StartedRun(process.execPath, args, work.file('runs', 'json'));
  expect((await run.ended).status).toBe(1);
  expect(run.output).toContain('observe/summary-unwritable');
  expect(existsSync(work.file('runs', 'json'))).toBe(false);
});

test('looking whether the summary can be written changes nothing', () => {
  expect(() => summaryFile(work.folder)).toThrow('it is a folder');
  const [old, absent] = [work.file('old.json'), work.file('new.json')];
  writeFileSync(old, 'as it was');
  summaryFile(old);
  summaryFile(absent);
  expect(readFileSync(old, 'utf8')).toBe('as it was');
  expect(existsSync(absent)).toBe(false);
});

test('the summary is not written over what a run reads again', async () => {
  await train('kept', () => {}, { steps: 1 });
  for (const file of ['run.json', 'config.json', 'checkpoints/latest', 'checkpoints/step-000001/x.json'])
    expect(() => summaryFile(work.file('runs', 'kept', file))).toThrow('observe/summary-unwritable');
  for (const file of ['summary.json', 'mine.json']) summaryFile(work.file('runs', 'kept', file));
});

test('a sample that fails leaves checkpoint and summary, and says that the run is saved', async () => {
  const losesTokenizer = ({ kind }: TrainEvent) =>
    kind === 'checkpoint' && rmSync(work.file('runs', 'sample', 'tokenizer.json'));
  const failed = train('sample', losesTokenizer, { sample: { tokens: 2 } });
  await expect(failed).rejects.toMatchObject({ code: 'train/failed-after-save' });
  expect(existsSync(work.checkpoint('sample', 4))).toBe(true);
  expect(existsSync(work.file('runs', 'sample', 'summary.json'))).toBe(true);
  expect(readFileSync(work.file('runs', 'sample', 'log.txt'), 'utf8')).toContain('the run is trained and saved');
});

test('a summary that cannot be written is told all the same', async () => {
  const kinds: string[] = [];
  const around = {
    ...surroundings,
    writeSummary: () => {
      throw new Error('ENOSPC');
    },
  };
  await expect(train('summary', ({ kind }) => kinds.push(kind), {}, around)).rejects.toThrow('the summary failed');
  expect(kinds.at(-1)).toBe('summary');
  expect(existsSync(work.checkpoint('summary', 4))).toBe(true);
});

test('a signal between two steps ends the run after the step, saved', async () => {
  const stop = (event: TrainEvent) => event.kind === 'step' && event.step === 2 && process.emit('SIGUSR1', 'SIGUSR1');
  const result = await train('between', stop, { steps: 100 });
  expect(result).toMatchObject({ interrupted: true, complete: false, summary: { steps: 2 } });
  expect(existsSync(work.checkpoint('between', 2))).toBe(true);
});

test('a signal within a validation leaves it; one after the last step leaves out validation and sample', async () => {
  const kinds: string[] = [];
  // The step after which the validation is due.
  const within = (event: TrainEvent) => {
    kinds.push(event.kind);
    if (event.kind === 'step' && event.step === 3) process.emit('SIGTERM', 'SIGTERM');
  };
  const left = await train('within', within, { steps: 100, evaluation: { every_steps: 3, batches: 4 } });
  expect(left).toMatchObject({ interrupted: true, summary: { steps: 3, validationLoss: null } });
  expect(kinds).not.toContain('validation');

  const later: string[] = [];
  const afterLast = ({ kind }: TrainEvent) => {
    later.push(kind);
    if (kind === 'checkpoint') process.emit('SIGHUP', 'SIGHUP');
  };
  const after = await train('after', afterLast, { sample: { tokens: 2 } });
  expect(after).toMatchObject({ interrupted: true, complete: true, summary: { steps: 4 } });
  expect(later).not.toEqual(expect.arrayContaining(['validation', 'sample']));
  expect(existsSync(work.checkpoint('after', 4))).toBe(true);
  const log = readFileSync(work.file('runs', 'after', 'log.txt'), 'utf8');
  expect(log).toContain('all 4 are trained and saved');
  expect(log).not.toContain('go on with');
});

test('a listener that throws is told no more, and the run goes on', async () => {
  const heard: string[] = [];
  const told: string[] = [];
  const events = trainEvents();
  events.subscribe(({ kind }) => {
    heard.push(kind);
    if (kind === 'step') throw new Error('no room on the dashboard');
  });
  events.subscribe((event) => told.push(event.kind === 'warning' ? event.message : event.kind));
  const { summary } = await trainWith(surroundings, work.options('listened'), { events });
  expect(summary.steps).toBe(4);
  expect(heard.filter((kind) => kind === 'step')).toHaveLength(1);
  expect(heard.at(-1)).toBe('step');
  expect(told.filter((kind) => kind === 'step')).toHaveLength(4);
  expect(told).toContainEqual(
    expect.stringContaining("failed at 'step' and is told no more: no room on the dashboard"),
  );
});

test('a log takes up what was told before there was a folder, and outlives one that is gone', () => {
  const events = trainEvents();
  const log = openRunLog(events);
  events.emit({ kind: 'setup_finished', part: 'data: reading', seconds: 1 });
  const folder = work.file('a log');
  mkdirSync(folder);
  log.into(new RunFolder(folder), { isNew: true });
  log.say('and on');
  expect(readFileSync(path.join(folder, 'log.txt'), 'utf8')).toBe('data: reading: 1.00 s\nand on\n');
  rmSync(folder, { recursive: true });
  log.say('to nobody');
  log.close();
});
