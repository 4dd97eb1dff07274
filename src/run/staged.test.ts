import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { committedNames } from './committed.js';
import { RunFolder } from './folder.js';
import { commitStaged, discardStaged, stageIn } from './staged.js';

const place = mkdtempSync(path.join(os.tmpdir(), 'flotilla-staged-'));
afterAll(() => rmSync(place, { recursive: true }));

function runWith(text: string, name: string): RunFolder {
  const folder = new RunFolder(path.join(place, name));
  mkdirSync(folder.path);
  for (const file of committedNames) writeFileSync(folder.file(file), text);
  return folder;
}

const contents = (folder: RunFolder) => committedNames.map((name) => readFileSync(folder.file(name), 'utf8'));

test('what is staged is nobody’s until it is committed, and then all of it is', () => {
  const folder = runWith('old', 'whole');
  for (const file of committedNames) stageIn(folder).write(file, 'forgotten');
  discardStaged(folder);
  const stage = stageIn(folder);
  for (const file of committedNames) stage.write(file, 'new');
  expect(contents(RunFolder.open(folder.path))).toEqual(committedNames.map(() => 'old'));
  commitStaged(folder);
  commitStaged(folder);
  expect(contents(folder)).toEqual(committedNames.map(() => 'new'));
  expect(existsSync(stage.path)).toBe(false);
});

// A crash is a folder as it is after one of the renames: the decision, then one a file.
test.each([0, 1, 2, 3, 4])(
  'a crash after %i files have moved leaves the new state, whole, to whoever opens the folder',
  (moved) => {
    const folder = runWith('old', `crash ${moved}`);
    const stage = stageIn(folder);
    for (const file of committedNames) stage.write(file, 'new');
    renameSync(stage.path, folder.file('.committed'));
    for (const file of committedNames.slice(0, moved))
      renameSync(folder.file(path.join('.committed', file)), folder.file(file));
    expect(contents(RunFolder.open(folder.path))).toEqual(committedNames.map(() => 'new'));
    expect(existsSync(folder.file('.committed'))).toBe(false);
  },
);

test('what lies elsewhere is not moved into a run', () => {
  const folder = runWith('old', 'linked');
  const elsewhere = runWith('theirs', 'elsewhere');
  symlinkSync(elsewhere.path, folder.file('.committed'));
  RunFolder.open(folder.path);
  expect(contents(folder)).toEqual(committedNames.map(() => 'old'));
  expect(contents(elsewhere)).toEqual(committedNames.map(() => 'theirs'));
});
