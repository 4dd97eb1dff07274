/**
 * The package as somebody else has it: packed, installed from its tarball into their project, whose path has a space, set up there, and
 * used. Torch is that of this checkout, and the native engine comes out of a user's cache, where this checkout's set-up puts it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { locateTorch, setupModule, type TorchAttempt } from '../../src/engine/native/locate.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla package '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const project = path.join(folder, 'their project');
const installed = path.join(project, 'node_modules', 'flotilla');

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

let env: NodeJS.ProcessEnv = {};

function run(cwd: string, command: string, ...args: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

/** A program of their project, which npx would find there; fails with what it printed. */
function succeed(program: string, ...args: readonly string[]): string {
  const ended = run(project, path.join(project, 'node_modules', '.bin', program), ...args);
  expect(ended, args.join(' ')).toMatchObject({ status: 0 });
  return ended.out + ended.err;
}

/** Versions of the lockfile, which npm's cache has: nothing newer is asked for. */
function lockedVersions(): Readonly<Record<string, string>> {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { version: string; dev?: boolean }>>;
  };
  const locked = Object.entries(packages).filter(([place, { dev }]) => place && !dev);
  return Object.fromEntries(locked.map(([place, { version }]) => [place.slice('node_modules/'.length), version]));
}

beforeAll(async () => {
  const { found } = await locateTorch();
  // As a person's shell has it: nothing of npm's or vitest's own reaches the commands.
  const ours = /^(npm_(?!config_(registry|cache|userconfig)$)|VITEST|NODE_ENV$|INIT_CWD$|RES_OPTIONS$)/;
  env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
  process.env.XDG_CACHE_HOME = path.join(folder, 'cache');
  Object.assign(env, { FLOTILLA_TORCH: found!.path, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME });
  const { buildNative } = await setupModule<{ buildNative(torch: TorchAttempt): Promise<string> }>('native_build.mjs');
  await buildNative(found!);
  mkdirSync(path.join(project, 'text'), { recursive: true });
  const theirs = { name: 'their-project', version: '1.0.0', private: true, overrides: lockedVersions() };
  writeFileSync(path.join(project, 'package.json'), JSON.stringify(theirs));
  for (let i = 1; i <= 8; i++) {
    const lines = Array.from(
      { length: 60 },
      (_, k) => `the ship ${i * k} sails over a calm sea while ${k} boats follow`,
    );
    writeFileSync(path.join(project, 'text', `${i}.txt`), lines.join('\n'));
  }
  const packed = run(root, 'npm', 'pack', '--silent', '--pack-destination', folder);
  expect(packed, 'npm pack').toMatchObject({ status: 0 });
  const tarball = path.join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
  );
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball];
  expect(run(project, 'npm', ...install), 'npm install').toMatchObject({ status: 0 });
  env.RES_OPTIONS = process.env.RES_OPTIONS;
}, 600_000);

test('it holds the programs, the native sources, licence and documents, and nothing of tests', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files).toEqual(
    expect.arrayContaining(
      [
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'docs/config.md',
        'docs/errors/engine.md',
        'native/CMakeLists.txt',
      ].concat(['dist/bundle/index.js', 'dist/src/index.d.ts', 'scripts/flotilla.mjs', 'scripts/help/train.txt']),
    ),
  );
  expect(
    files.filter((file) => /\.test\.|\.map$|(^|\/)testing(\/|\.)|^(src|tests|bench|native\/build)\b/.test(file)),
  ).toEqual([]);
});

test(
  'it answers before it is set up, sets itself up, trains on two ranks, goes on and writes',
  { timeout: 600_000 },
  () => {
    expect(run(project, 'npx', 'flotilla', '--help').out).toContain('Usage: flotilla');
    const early = run(project, 'npx', 'flotilla', 'doctor');
    expect(early.status).toBe(1);
    expect(early.out).toContain('npx flotilla setup builds it');

    const setUp = succeed('flotilla', 'setup');
    expect(setUp).toContain('taken from the user’s cache');
    expect(setUp).toContain('set-up: complete');
    expect(readdirSync(path.join(installed, 'native', 'build')).sort()).toEqual(['flotilla.node', 'stamp', 'torch']);
    expect(succeed('flotilla', 'doctor')).toMatch(/native engine.*built from these sources for this torch/);

    const config = {
      model: { family: 'gpt', layers: 1, dim: 16, heads: 2, context: 16, vocab: 300 },
      data: { paths: ['text'], tokenizer: { train: 'bpe', vocab: 300 } },
      batch: { sequences: 4, microbatch: 2 },
      optimizer: { warmup_steps: 2 },
      ranks: 2,
      steps: 4,
    };
    writeFileSync(path.join(project, 'config.json'), JSON.stringify(config));
    expect(succeed('flotilla', 'train', 'config.json', '--name', 'first')).toMatch(/2 ranks, native on cpu/);
    expect(succeed('flotilla', 'resume', 'runs/first', '--steps', '6')).toContain('step 6/6');
    expect(succeed('flotilla', 'generate', 'runs/first', '--prompt', 'the ship', '--tokens', '8')).toMatch(/^the ship/);
    expect(existsSync(path.join(project, 'runs', 'first', 'checkpoints', 'step-000006'))).toBe(true);
  },
);

test('a first program, saved beside their package.json, trains', { timeout: 120_000 }, () => {
  const program = `
    import { data, models, optim, train } from 'flotilla';
    const { summary } = await train({
      model: new models.GPT({ layers: 1, dim: 16, heads: 2, context: 16, vocab: 300 }),
      data: data.text('text/*.txt', { tokenizer: { train: 'bpe', vocab: 300 } }),
      optimizer: optim.adamw({ lr: 1e-3 }),
      batch: { sequences: 4, microbatch: 2 },
      ranks: 2,
      steps: 3,
    });
    console.log('steps', summary.steps);
  `;
  writeFileSync(path.join(project, 'first.mts'), program);
  expect(succeed('tsx', 'first.mts')).toContain('steps 3');
});
