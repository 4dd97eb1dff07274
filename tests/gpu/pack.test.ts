/** A pack is closed: whatever its sources and packages import is in it. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { pathWithoutNode } from '../../bench/gpu/pack/bare_machine.js';
import { packagesNeeded } from '../../bench/gpu/pack/closure.js';
import { leftBehind, packageFiles, packageFolders, projectSources } from '../../bench/gpu/pack/contents.js';
import { packageRoot } from '../../src/engine/native/package_root.js';

const root = packageRoot();
const temporary = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

test('packages are followed to all that they need, by the folder that Node would find', () => {
  const locked = {
    'node_modules/a': {
      dependencies: { b: '1', c: '1' },
      optionalDependencies: { 'c-linux': '1', 'c-mac': '1', gone: '1' },
    },
    'node_modules/b': {},
    'node_modules/a/node_modules/c': { dependencies: { b: '1', d: '1' } },
    'node_modules/a/node_modules/d': {},
    'node_modules/c': {},
    'node_modules/d': {},
    'node_modules/c-linux': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
    'node_modules/c-mac': { os: ['darwin'] },
    'node_modules/e': {
      peerDependencies: { f: '1', d: '1' },
      peerDependenciesMeta: { d: { optional: true } },
      os: ['!win32'],
    },
    'node_modules/f': { dependencies: { e: '1' } },
  };
  expect(packagesNeeded(locked, ['a'])).toEqual([
    'node_modules/a',
    'node_modules/a/node_modules/c',
    'node_modules/a/node_modules/d',
    'node_modules/b',
    'node_modules/c-linux',
  ]);
  expect(packagesNeeded(locked, ['e'])).toEqual(['node_modules/e', 'node_modules/f']);
  expect(() => packagesNeeded(locked, ['x'])).toThrow("no package 'x', which the project needs");
});

test('every package that a packed source imports is packed, with every package that it names itself', () => {
  const sources = projectSources(root).filter((file) => /\.(ts|js|mjs)$/.test(file));
  const folders = new Set(packageFolders(root, sources));
  const missing: string[] = [];
  const own = (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { name: string }).name;
  for (const file of sources)
    for (const name of packagesNamed(readFileSync(path.join(root, file), 'utf8')))
      if (name !== own && !folders.has(`node_modules/${name}`)) missing.push(`${file}: ${name}`);
  for (const folder of folders) {
    const { dependencies = {} } = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as {
      dependencies?: object;
    };
    for (const name of Object.keys(dependencies).filter((name) => !name.startsWith('@types/')))
      if (![`${folder}/node_modules/${name}`, `node_modules/${name}`].some((place) => folders.has(place)))
        missing.push(`${folder}: ${name}`);
  }
  expect(missing).toEqual([]);
  // Nothing that only checks style or types comes along.
  expect([...folders].filter((folder) => /eslint|prettier|typescript|@types/.test(folder))).toEqual([]);
});

test('every test is packed but those that hold documents against the sources or install packages', () => {
  const packed = new Set(projectSources(root));
  const tests = ['src', 'tests']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
    )
    .filter((file) => file.endsWith('.test.ts') && !packed.has(file));
  expect(tests.sort()).toEqual([
    'src/config/page.test.ts',
    'tests/docs/code_blocks.test.ts',
    'tests/docs/docs.test.ts',
    'tests/docs/events.test.ts',
    'tests/docs/help.test.ts',
    'tests/docs/schedules.test.ts',
    'tests/docs/strategies.test.ts',
    'tests/package/installed.test.ts',
  ]);
  for (const place of leftBehind) expect(existsSync(path.join(root, place)), place).toBe(true);
});

test('of a package, what running takes is packed', () => {
  const files = packageFiles(root, 'node_modules/vitest');
  expect(files).toContain('node_modules/vitest/vitest.mjs');
  expect(files.filter((file) => /\.(map|md|d\.ts)$/.test(file))).toEqual([]);
});

test('a PATH without Node has the other programs of the folders that have Node', () => {
  const [both, plain, scratch] = ['both', 'plain', 'scratch'].map((name) => path.join(temporary, name));
  for (const folder of [both, plain, scratch]) mkdirSync(folder);
  for (const name of ['node', 'npm', 'c++']) writeFileSync(path.join(both, name), '');
  writeFileSync(path.join(plain, 'cmake'), '');
  const folders = pathWithoutNode([both, plain, path.join(temporary, 'nowhere')].join(path.delimiter), scratch).split(
    path.delimiter,
  );
  expect(folders.map((folder) => readdirSync(folder))).toEqual([['c++'], ['cmake']]);
});

/** Names of the packages that import and export statements ask for. */
function packagesNamed(text: string): ReadonlySet<string> {
  const asked = [
    /^\s*(?:import|export)\s[\w*{}\s,$]*\bfrom\s+'([^']+)'/gm,
    /^\s*import\s+'([^']+)'/gm,
    /\bimport\('([^']+)'\)/g,
  ].flatMap((form) => [...text.matchAll(form)].map(([, specifier]) => specifier));
  const names = asked.map((specifier) =>
    specifier
      .split('/')
      .slice(0, specifier[0] === '@' ? 2 : 1)
      .join('/'),
  );
  return new Set(names.filter((name) => /^(@[\w-]+\/)?[\w-]+$/.test(name) && !builtinModules.includes(name)));
}
