/** Addons that a user has built are kept whole, once, for every checkout and project. */
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { setupModule } from '../../src/engine/native/locate.js';

const { keepCached, takeCached } = await setupModule<{
  keepCached(key: string, file: string, env: NodeJS.ProcessEnv): void;
  takeCached(key: string, file: string, env: NodeJS.ProcessEnv): boolean;
}>('native_cache.mjs');

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-cache-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let home = '';
let env: NodeJS.ProcessEnv = {};
let addon = '';
beforeEach(() => {
  home = mkdtempSync(path.join(folder, 'home-'));
  env = { XDG_CACHE_HOME: home };
  addon = path.join(home, 'built.node');
  writeFileSync(addon, 'machine code');
});
const cache = () => path.join(home, 'flotilla', 'native');
const taken = () => path.join(home, 'there', 'flotilla.node');

test('what was kept is taken, byte for byte and executable as the umask has it', () => {
  expect(takeCached('a', taken(), env)).toBe(false);
  const before = process.umask(0o027);
  try {
    keepCached('a', addon, env);
    expect(takeCached('a', taken(), env)).toBe(true);
  } finally {
    process.umask(before);
  }
  expect(readFileSync(taken(), 'utf8')).toBe('machine code');
  expect(statSync(taken()).mode & 0o777).toBe(0o750);
  expect(statSync(path.join(cache(), 'a')).mode & 0o777).toBe(0o750);
  expect(takeCached('b', taken(), env)).toBe(false);
});

test('a damaged entry, or half of one, is not taken, and makes room for a whole one', () => {
  keepCached('a', addon, env);
  writeFileSync(path.join(cache(), 'a', 'addon'), 'machine co');
  expect(takeCached('a', taken(), env)).toBe(false);
  expect(existsSync(taken())).toBe(false);
  keepCached('a', addon, env);
  rmSync(path.join(cache(), 'a', 'sha256'));
  expect(takeCached('a', taken(), env)).toBe(false);
  keepCached('a', addon, env);
  expect(takeCached('a', taken(), env)).toBe(true);
});

test('of two set-ups that keep the same at once one does, and nothing else is left', () => {
  keepCached('a', addon, env);
  keepCached('a', addon, env);
  expect(readdirSync(cache())).toEqual(['a']);
});

test('the sixteen that were used last are kept; what a killed process began goes after a day', () => {
  for (let i = 0; i < 16; i++) {
    keepCached(`k${i}`, addon, env);
    utimesSync(path.join(cache(), `k${i}`), i, i);
  }
  for (const [name, seconds] of [
    ['.old', 1],
    ['.new', Date.now() / 1000],
  ] as const) {
    mkdirSync(path.join(cache(), name));
    utimesSync(path.join(cache(), name), seconds, seconds);
  }
  expect(takeCached('k0', taken(), env)).toBe(true);
  keepCached('k16', addon, env);
  expect(readdirSync(cache()).sort()).toEqual(
    ['.new', ...Array.from({ length: 17 }, (_, i) => `k${i}`).filter((name) => name !== 'k1')].sort(),
  );
});

test('a cache that cannot be written to keeps nothing and hinders nobody', () => {
  writeFileSync(path.join(home, 'flotilla'), 'a file where the folder would be');
  keepCached('a', addon, env);
  expect(takeCached('a', taken(), env)).toBe(false);
  expect(readdirSync(home).sort()).toEqual(['built.node', 'flotilla']);
});

// Only root can give a file away.
test.runIf(process.getuid?.() === 0)('what another user has put there is not executed', () => {
  keepCached('a', addon, env);
  chownSync(path.join(cache(), 'a'), 12345, 12345);
  expect(takeCached('a', taken(), env)).toBe(false);
});
