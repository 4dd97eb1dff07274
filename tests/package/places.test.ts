/** Where set-up writes: into the package, or where that may not be written to into the user's cache. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type * as Places from '../../scripts/setup/places.mjs';
import { setupModule } from '../../src/engine/native/locate.js';

const { environments, nativeFolder, userCache, workFolder } = await setupModule<typeof Places>('places.mjs');

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla places '));
afterAll(() => rmSync(folder, { recursive: true }));
const env = { XDG_CACHE_HOME: path.join(folder, 'cache') };

/** Nobody may write there, root included. */
const readOnly = '/proc/self';

test('the user’s cache is where XDG_CACHE_HOME has it, unless that is no absolute path', () => {
  expect(userCache(env)).toBe(path.join(folder, 'cache', 'flotilla'));
  const usual = path.join(os.homedir(), '.cache', 'flotilla');
  for (const odd of ['', 'relative/cache', undefined]) expect(userCache({ XDG_CACHE_HOME: odd })).toBe(usual);
});

test('a package that may be written to holds everything', () => {
  const own = path.join(folder, 'package');
  mkdirSync(own);
  expect(workFolder(env, own)).toBe(own);
  expect(environments(env, own)).toEqual([path.join(own, '.venv')]);
  expect(nativeFolder(env, own)).toBe(path.join(own, 'native', 'build'));
});

test('of one that may not, the cache holds what it does not bring; each such package has a place of its own there', () => {
  const work = workFolder(env, readOnly);
  expect(path.dirname(work)).toBe(path.join(userCache(env), 'packages'));
  expect(workFolder(env, '/proc/self/fd')).not.toBe(work);
  expect(environments(env, readOnly)).toEqual([path.join(work, '.venv'), path.join(readOnly, '.venv')]);
  expect(nativeFolder(env, readOnly)).toBe(path.join(work, 'native', 'build'));
  mkdirSync(path.join(work, 'native', 'build'), { recursive: true });
  writeFileSync(path.join(work, 'native', 'build', 'flotilla.node'), '');
  expect(nativeFolder(env, readOnly)).toBe(path.join(work, 'native', 'build'));
});
