import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { saveCheckpoint, nodeDisk } from '../checkpoint/index.js';
import { saveOptionsAt } from '../checkpoint/testing.js';
import { resolveConfig } from '../config/resolve.js';
import type { TrainConfig } from '../config/schema.js';
import { makeFolder } from '../data/make_folder.js';
import { lockRun, makeRun, mark, requireFreePlace, type NewRun } from './begin.js';
import { readOwner } from './checkpoint_owner.js';
import { RunFolder } from './folder.js';
import { RunLock } from './lock.js';
import { openRunCheckpoint } from './open_checkpoint.js';

let place: string;
beforeEach(() => (place = mkdtempSync(path.join(os.tmpdir(), 'flotilla-begin-'))));
afterEach(() => rmSync(place, { recursive: true }));

const at = (...names: readonly string[]) => path.join(place, ...names);

const configOf = (name: string | null, directory: string | null = null): TrainConfig =>
  resolveConfig({ data: { paths: ['text'] }, checkpoint: { directory }, logging: { directory: at('runs'), name } })
    .config;

/** Makes a run, as far as its folder goes, and releases it. */
async function make(config: TrainConfig): Promise<NewRun> {
  const made = await makeRun(config);
  made.folder.writeConfig(config);
  made.lock.release();
  return made;
}

async function save({ folder }: NewRun, config: TrainConfig, step: number, keep = 2): Promise<void> {
  const options = saveOptionsAt(step, keep);
  await saveCheckpoint(nodeDisk, folder.checkpoints(config), {
    ...options,
    state: { ...options.state, run: folder.id! },
  });
}

/** Goes on with a run under a configuration. */
async function goOn(folder: RunFolder, config: TrainConfig, now: TrainConfig = config): Promise<number> {
  const opened = await openRunCheckpoint(folder, now);
  try {
    const lock = await lockRun(folder, now, opened, { step: null });
    mark(folder, now);
    folder.writeConfig(now);
    lock.release();
    return opened.manifest.step;
  } finally {
    await opened.close();
  }
}

const code = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'none',
    (error: { code: string }) => error.code,
  );

test('a name can be taken again while its run has left no checkpoint, and not after', async () => {
  const config = configOf('try');
  const first = await make(config);
  writeFileSync(first.folder.file('metrics.jsonl'), 'old');
  writeFileSync(first.folder.file('notes.txt'), 'mine');
  expect(first.startsOver).toBe(false);
  const second = await make(config);
  expect(second.startsOver).toBe(true);
  expect(existsSync(second.folder.file('metrics.jsonl'))).toBe(false);
  expect(readFileSync(second.folder.file('notes.txt'), 'utf8')).toBe('mine');
  await save(second, config, 10);
  expect(await code(make(config))).toBe('run/exists');
  // Also where its checkpoints are elsewhere, and where they are damaged.
  const away = configOf('away', at('ck'));
  await save(await make(away), away, 10);
  expect(await code(make(configOf('away')))).toBe('run/exists');
  writeFileSync(at('runs', 'try', 'checkpoints', 'step-000010', 'manifest.json'), '');
  expect(await code(make(config))).toBe('run/exists');
});

test('while somebody works on a run its name is taken, whatever it has saved', async () => {
  const config = configOf('busy');
  const { lock, folder } = await makeRun(config);
  folder.writeConfig(config);
  expect(await code(make(config))).toBe('run/locked');
  lock.release();
  expect(await code(make(config))).toBe('none');
});

test('two that begin under one name at once: one does, the other touches nothing', async () => {
  const config = configOf('both');
  const outcomes = await Promise.all([make(config), make(config)].map(code));
  expect(outcomes.toSorted()[0]).toBe('none');
  expect(['run/locked', 'run/exists', 'none']).toContain(outcomes.toSorted()[1]);
  // Without a name each has one.
  const folders = await Promise.all([1, 2, 3].map(() => make(configOf(null))));
  expect(new Set(folders.map(({ folder }) => folder.path)).size).toBe(3);
});

test('a folder of somebody’s own is not written into', async () => {
  for (const [name, file] of [
    ['a', 'config.json'],
    ['b', 'metrics.jsonl'],
    ['c', 'tokenizer.json'],
  ] as const) {
    mkdirSync(at('runs', name), { recursive: true });
    writeFileSync(at('runs', name, file), 'mine');
    expect(await code(make(configOf(name)))).toMatch(/^run\/(exists|folder-taken)$/);
    expect(readdirSync(at('runs', name))).toEqual([file]);
  }
  writeFileSync(at('runs', 'd'), 'a file');
  expect(await code(make(configOf('d')))).toBe('run/folder-not-written');
  mkdirSync(at('runs', 'e'));
  symlinkSync(at('outside'), at('runs', 'e', 'metrics.jsonl'));
  expect(await code(make(configOf('e')))).toBe('run/not-its-own-files');
  expect(existsSync(at('outside'))).toBe(false);
});

test('names are names', async () => {
  for (const name of [
    'a/b',
    '../a',
    '..',
    '.',
    'a\\b',
    'a\nb',
    'a\0b',
    ' a',
    'a ',
    ' ',
    'x'.repeat(300),
    '\ud800',
    'ab\u200b',
  ])
    expect(await code(requireFreePlace(configOf(name))), JSON.stringify(name)).toBe('run/bad-name');
  for (const name of ['a b', 'lr=1e-3', 'größe', '2026-01-31', '...', '日本語'])
    expect(await code(requireFreePlace(configOf(name))), name).toBe('none');
  await expect(requireFreePlace(configOf('../../etc/x'))).rejects.toThrow('call it etc-x');
  expect(readdirSync(place)).toEqual([]);
});

test('checkpoints of another run are not shared, adopted or removed; what is nobody’s checkpoint is no matter', async () => {
  mkdirSync(at('ck', 'step-000001'), { recursive: true });
  writeFileSync(at('ck', 'step-000001', 'precious'), 'not a checkpoint of ours');
  const a = configOf('A', at('ck'));
  const runA = await make(a);
  // Until A has saved its folder is A's while it works.
  const working = await makeRun(a);
  expect(await code(make(configOf('B', at('ck'))))).toBe('run/checkpoints-of-another-run');
  working.lock.release();
  await save(runA, a, 1, 1);
  await save(runA, a, 10, 1);
  expect(await code(make(configOf('B', at('ck'))))).toBe('run/checkpoints-of-another-run');
  expect(existsSync(at('runs', 'B'))).toBe(false);
  // The folder inside another run's, and a mark that somebody removed.
  const own = configOf('own');
  await save(await make(own), own, 3);
  expect(await code(make(configOf('C', at('runs', 'own', 'checkpoints'))))).toBe('run/checkpoints-of-another-run');
  rmSync(at('ck', 'owner.json'));
  expect(await code(make(configOf('D', at('ck'))))).toBe('run/checkpoints-of-another-run');
  expect(await goOn(runA.folder, a)).toBe(10);
  expect(readFileSync(at('ck', 'step-000001', 'precious'), 'utf8')).toBe('not a checkpoint of ours');
});

test('a run that comes back to an earlier folder of checkpoints goes on from its latest, wherever that is', async () => {
  const here = configOf('moves');
  const there = { ...here, checkpoint: { ...here.checkpoint, directory: at('elsewhere') } };
  const run = await make(here);
  await save(run, here, 6);
  expect(await goOn(run.folder, here, there)).toBe(6);
  await save(run, there, 10);
  // Back, twice, without a save.
  expect(await goOn(run.folder, there, here)).toBe(10);
  expect(await goOn(run.folder, here)).toBe(10);
  await save(run, here, 12);
  expect(await goOn(run.folder, here)).toBe(12);
  expect(await goOn(run.folder, here, there)).toBe(12);
  expect(await goOn(run.folder, there, here)).toBe(12);
});

test('what is no ordinary file is not waited for', async () => {
  const config = configOf('pipes');
  const run = await make(config);
  await save(run, config, 6);
  for (const name of [at('runs', 'pipes', 'checkpoints', 'owner.json'), at('runs', 'pipes', 'lock')]) {
    rmSync(name, { force: true });
    execFileSync('mkfifo', [name]);
  }
  expect(readOwner(at('runs', 'pipes', 'checkpoints'))).toBeNull();
  expect(RunLock.runningHolder(run.folder.path)).toBeNull();
  expect(() => makeFolder('/proc/flotilla/x')).toThrow('ENOENT');
});

test('a folder with checkpoints of who knows whom is refused', async () => {
  mkdirSync(at('deepspeed'), { recursive: true });
  writeFileSync(at('deepspeed', 'latest'), 'global_step100');
  expect(await code(make(configOf('A', at('deepspeed'))))).toBe('run/checkpoints-not-marked');
  await saveCheckpoint(nodeDisk, at('old'), {
    ...saveOptionsAt(7),
    state: { ...saveOptionsAt(7).state, run: undefined as unknown as string },
  });
  rmSync(at('old', 'latest'));
  expect(await code(make(configOf('A', at('old'))))).toBe('run/checkpoints-not-marked');
});

test('a run that is moved keeps its checkpoints; of a run and its copy the first does', async () => {
  const config = configOf('first', at('ck'));
  const run = await make(config);
  await save(run, config, 5);
  cpSync(run.folder.path, at('runs', 'copy'), { recursive: true });
  expect(await code(goOn(RunFolder.open(at('runs', 'copy')), config))).toBe('run/checkpoints-of-another-run');
  rmSync(at('runs', 'copy'), { recursive: true });
  renameSync(run.folder.path, at('runs', 'moved'));
  expect(await goOn(RunFolder.open(at('runs', 'moved')), config)).toBe(5);
  expect(readOwner(at('ck'))?.folder).toBe(at('runs', 'moved'));
});

test('checkpoints that go elsewhere from now on: a run goes on from those it has', async () => {
  const [here, there] = [configOf('wander'), configOf('wander', at('there'))];
  const run = await make(here);
  await save(run, here, 5);
  expect(await goOn(run.folder, here, there)).toBe(5);
  // Stopped before it has saved there, it still has them; and then those there.
  expect(await goOn(run.folder, there)).toBe(5);
  await save(run, there, 8);
  expect(await goOn(run.folder, there)).toBe(8);
  const fifth = await openRunCheckpoint(run.folder, there, { step: 5 });
  expect(fifth.manifest.step).toBe(5);
  await fifth.close();
  // Back again: from the latest, wherever that is.
  expect(await goOn(run.folder, there, here)).toBe(8);
});

test('a run of a version that gave no ids goes on, and has one then', async () => {
  const config = configOf('old');
  const run = await make(config);
  await save(run, config, 5);
  for (const name of ['run_id', 'checkpoints/owner.json']) rmSync(run.folder.file(name));
  const manifest = run.folder.file('checkpoints/step-000005');
  rmSync(manifest, { recursive: true });
  await saveCheckpoint(nodeDisk, run.folder.file('checkpoints'), {
    ...saveOptionsAt(5),
    state: { ...saveOptionsAt(5).state, run: undefined as unknown as string },
  });
  const folder = RunFolder.open(run.folder.path);
  expect(folder.id).toBeNull();
  expect(await goOn(folder, config)).toBe(5);
  await save({ ...run, folder }, config, 6, 1);
  // Nobody's by name: it stays.
  expect(readdirSync(folder.file('checkpoints'))).toContain('step-000005');
  expect(await goOn(folder, config)).toBe(6);
});
