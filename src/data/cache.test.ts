import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DataCache } from './cache.js';
import { prepareData, text } from './index.js';
import { asOrdinaryUser } from './testing/other_user.js';
import { folderWith } from './testing/folder.js';
import { processState, thisProcess } from './process_id.js';
import { makeTemporaryFolder, removeAbandoned, temporaryName, writeAtomically } from './temporaries.js';

const key = 'k'.repeat(64);
const whole = async (folder: string) => writeFileSync(join(folder, 'manifest.json'), '{}');
const modeOf = (path: string) => statSync(path).mode & 0o777;

function withUmask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
}

/** The number of a process that has ended. */
const ended = (): number => spawnSync(process.execPath, ['-e', '']).pid;

test('a folder is whole or absent', async () => {
  const root = folderWith();
  const cache = new DataCache(root);
  await cache.make(key, async (folder) => {
    writeFileSync(join(folder, 'manifest.json'), '{}');
    expect(cache.has(key)).toBe(false);
  });
  expect(cache.has(key)).toBe(true);
});

test('a full disk is said to be one, and leaves nothing behind', async () => {
  const root = folderWith();
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
  const made = new DataCache(root).make(key, async (folder) => {
    writeFileSync(join(folder, 'train.bin.tmp'), 'half');
    throw full;
  });
  await expect(made).rejects.toThrow(/the disk is full \(ENOSPC\) \[data\/cache-not-writable\]/);
  expect(readdirSync(join(root, 'data'))).toEqual([]);
});

test('what another process finished first is used', async () => {
  const root = folderWith();
  const cache = new DataCache(root);
  const make = (content: string) =>
    cache.make(key, async (folder) => {
      await new Promise((resume) => setTimeout(resume, 5));
      writeFileSync(join(folder, 'manifest.json'), content);
    });
  await Promise.all([make('1'), make('2')]);
  expect(readdirSync(join(root, 'data'))).toHaveLength(1);
});

test('what is left of a data set, or a file in its place, gives way to a whole one', async () => {
  for (const leave of [
    (place: string) => (mkdirSync(place), writeFileSync(join(place, 'train.bin'), '')),
    (place: string) => writeFileSync(place, ''),
  ]) {
    const cache = new DataCache(folderWith({ 'data/x': '' }));
    leave(cache.path(key));
    if (statSync(cache.path(key)).isFile())
      await expect(cache.make(key, whole)).rejects.toThrow('is a file where a folder');
    else await cache.make(key, whole);
    expect(cache.has(key)).toBe(statSync(cache.path(key)).isDirectory());
  }
});

test.each([
  [0o022, 0o755, 0o644],
  [0o002, 0o775, 0o664],
  [0o077, 0o700, 0o600],
])('what is made has the permissions that the umask gives: %o', async (mask, folderMode, fileMode) => {
  const root = folderWith({
    'corpus/a.txt': 'river stone mill wheel night snow bread oven '.repeat(60),
    'own.json': readFileSync(tokenizerFile),
  });
  chmodSync(join(root, 'own.json'), 0o400);
  withUmask(mask);
  const options = { context: 8, globalBatch: 2, root, cacheDir: 'cache' };
  for (const tokenizer of [{ train: 'bpe', vocab: 260 }, { file: 'own.json' }] as const) {
    const dataset = await prepareData(text('corpus', { tokenizer, validation_fraction: 0.3 }), options);
    dataset.baselines();
    dataset.close();
    expect(modeOf(dataset.folder)).toBe(folderMode);
    for (const name of readdirSync(dataset.folder)) expect(modeOf(join(dataset.folder, name)), name).toBe(fileMode);
  }
  const data = join(root, 'cache', 'data');
  expect(modeOf(data)).toBe(folderMode);
  for (const name of readdirSync(join(data, 'seen'))) expect(modeOf(join(data, 'seen', name))).toBe(fileMode);
  // Nothing else, there or in the working directory.
  expect(readdirSync(data).filter((name) => name.startsWith('.'))).toEqual([]);
  expect(readdirSync(root).sort()).toEqual(['cache', 'corpus', 'own.json']);
});

const tokenizerFile = new URL('testing/byte_tokenizer.json', import.meta.url);

test('a cache that can only be read is read; where something has to be made, it is said', async () => {
  const root = folderWith({ 'corpus/a.txt': 'river stone mill wheel night snow bread oven '.repeat(60) });
  const source = text('corpus', { tokenizer: { train: 'bpe', vocab: 260 }, validation_fraction: 0.3 });
  const options = { context: 8, globalBatch: 2, root, cacheDir: 'cache' };
  const prepare = async (more = {}) => {
    const dataset = await prepareData(source, { ...options, ...more });
    dataset.baselines();
    dataset.close();
    return dataset.folder;
  };
  const folder = await prepare();
  rmSync(join(root, 'cache', 'data', 'seen'), { recursive: true });
  for (const path of [root, join(root, 'cache'), join(root, 'cache', 'data'), folder]) chmodSync(path, 0o555);
  onTestFinished(() =>
    [root, join(root, 'cache'), join(root, 'cache', 'data'), folder].forEach((path) => chmodSync(path, 0o755)),
  );
  await asOrdinaryUser(async () => {
    expect(await prepare()).toBe(folder);
    await expect(prepare({ cacheDir: 'another' })).rejects.toThrow(
      /permission is denied \(EACCES\) \[data\/cache-not-writable\]/,
    );
    const other = prepareData(text('corpus', { tokenizer: { train: 'bpe', vocab: 259 } }), options);
    await expect(other).rejects.toThrow('data/cache-not-writable');
  });
  // One that its maker alone can read is refused before anything is made for it.
  chmodSync(join(root, 'cache', 'data'), 0o777);
  chmodSync(folder, 0o000);
  await asOrdinaryUser(() => expect(prepare()).rejects.toThrow(/EACCES[\s\S]*cache-not-writable/));
});

test('what a process that was killed has left is removed by the next, and nothing that is in use', async () => {
  const root = folderWith({ 'data/keep': '' });
  const at = (name: string) => join(root, 'data', name);
  const ours = temporaryName('.making-');
  const theirs = ours.replace(`-${process.pid}-`, `-${ended()}-`);
  // The number given to another process since.
  const again = ours.replace(`-${thisProcess().started}-`, '-1-');
  const elsewhere = ours.replace(/^\.making-\w+/, '.making-0123456789ab');
  const old = `${elsewhere}old`;
  const earlier = ['.making-AbC123', '.making-XyZ789'];
  for (const name of [ours, theirs, again, elsewhere, old, ...earlier]) {
    mkdirSync(at(name));
    writeFileSync(join(at(name), 'train.bin.tmp'), '');
  }
  for (const name of [old, earlier[1]]) utimesSync(at(name), 1, 1);
  await new DataCache(root).make(key, whole);
  const seesProcesses = processState(process.pid) !== null;
  const gone = [old, earlier[1], ...(seesProcesses ? [theirs, again] : [])];
  for (const name of [ours, theirs, again, elsewhere, old, ...earlier])
    expect(existsSync(at(name)), name).toBe(!gone.includes(name));
  expect(existsSync(at('keep'))).toBe(true);
  expect(() => removeAbandoned(join(root, 'nowhere'), '.making-')).not.toThrow();
});

test('what is left of another user stays, and stops nobody', async () => {
  const root = folderWith({ 'data/x': '' });
  const theirs = join(root, 'data', temporaryName('.making-').replace(`-${process.pid}-`, `-${ended()}-`));
  mkdirSync(theirs);
  writeFileSync(join(theirs, 'a'), '');
  // As /tmp: all may write, and remove what is theirs.
  chmodSync(root, 0o755);
  chmodSync(join(root, 'data'), 0o1777);
  await asOrdinaryUser(() => new DataCache(root).make(key, whole));
  expect(new DataCache(root).has(key)).toBe(true);
});

test('a file is written whole: what fails leaves the old one, and nothing beside it', () => {
  const root = folderWith({ 'a/b': 'old' });
  writeAtomically(join(root, 'a', 'b'), 'new');
  expect(readFileSync(join(root, 'a', 'b'), 'utf8')).toBe('new');
  mkdirSync(join(root, 'a', 'c', 'd'), { recursive: true });
  expect(() => writeAtomically(join(root, 'a', 'c'), 'new')).toThrow(/EISDIR|EEXIST|ENOTEMPTY|directory/);
  expect(readdirSync(join(root, 'a')).sort()).toEqual(['b', 'c']);
});

test('a place for temporary folders that is missing or a file is named', () => {
  const root = folderWith({ file: '' });
  const before = process.env.TMPDIR;
  onTestFinished(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  for (const [name, words] of [
    ['missing', /no such file or folder/],
    ['file', /a file where a folder is needed/],
  ] as const) {
    process.env.TMPDIR = join(root, name);
    const make = () => makeTemporaryFolder('flotilla-x-');
    expect(make).toThrow(words);
    expect(make).toThrow(/TMPDIR[\s\S]*data\/no-temporary-folder|data\/no-temporary-folder[\s\S]*TMPDIR/);
  }
});
