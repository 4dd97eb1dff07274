/** scripts/gpu.sh on a small pack, whose Node is this one and whose runner is a few lines. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeArchive } from '../../bench/gpu/pack/archive.js';
import { packageRoot } from '../../src/engine/native/package_root.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const [pack, scratch, out] = ['.gpu', 'scratch', 'out'].map((name) => path.join(folder, name));
const script = path.join(pack, 'gpu.sh');

/** Says what it was given; and with `--stages hang`, starts a group of its own and waits. */
const runner = `
const { spawn } = require('node:child_process');
const { writeFileSync } = require('node:fs');
const args = process.argv.slice(2);
const option = (name) => args[args.indexOf(name) + 1];
console.log(JSON.stringify({ args, path: process.env.PATH, home: process.env.HOME }));
process.on('SIGTERM', () => process.exit(7));
if (option('--stages') === 'hang') {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  writeFileSync(option('--group-file'), String(child.pid));
  console.log(JSON.stringify({ runner: process.pid, child: child.pid }));
  setInterval(() => {}, 1000);
} else process.exit(3);
`;

beforeAll(() => {
  for (const place of [pack, scratch]) mkdirSync(place);
  const files = {
    node: `#!/bin/sh\nexec '${process.execPath}' "$@"\n`,
    'main.js': runner,
    'package.json': '{"type":"commonjs"}',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  chmodSync(path.join(folder, 'node'), 0o755);
  const entry = (name: string, file: string) => ({ name, file: path.join(folder, file) });
  const cache = path.join(folder, 'cache');
  writeArchive(path.join(pack, 'node.tar.xz'), [entry('bin/node', 'node')], cache);
  const project = [entry('dist/bench/gpu/run/main.js', 'main.js'), entry('dist/package.json', 'package.json')];
  writeArchive(path.join(pack, 'project.tar.xz'), project, cache);
  copyFileSync(path.join(packageRoot(), 'scripts', 'gpu.sh'), script);
  writeFileSync(path.join(pack, 'pack.json'), '{"made":"now"}');
});

const env = (more: Record<string, string> = {}) => ({ PATH: process.env.PATH!, TMPDIR: scratch, OUT: out, ...more });
const gpu = (args: readonly string[], more: Record<string, string> = {}) =>
  spawnSync('bash', [script, ...args], { encoding: 'utf8', env: env(more), cwd: folder });

test('the runner gets the options, the packed Node first on PATH and a home, and its status is the script’s', () => {
  const { stdout, stderr, status } = gpu(['--device', 'cpu', '--stages', 'found', '--minutes', '3']);
  expect([stderr, status]).toEqual(['', 3]);
  const told = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{'))!) as Record<string, string> & {
    args: string[];
  };
  expect(told.args.slice(0, 8)).toEqual(['--device', 'cpu', '--stages', 'found', '--minutes', '3', '--out', out]);
  expect(told.path.split(':')[0]).toMatch(/^\/.*\/flotilla\/bin$/);
  expect(told.home).toMatch(/\/home$/);
  expect(stdout).toMatch(/^unpacked after \d+ s\n/);
  expect(readdirSync(scratch)).toEqual([]);
});

test('a scratch folder that is given is kept, and a pack in it is not unpacked again', () => {
  const kept = path.join(folder, 'kept');
  gpu(['--device', 'cpu', '--scratch', kept]);
  const marker = path.join(kept, 'flotilla', 'marker');
  writeFileSync(marker, '');
  gpu(['--device', 'cpu', '--scratch', kept]);
  expect(existsSync(marker)).toBe(true);
  writeFileSync(path.join(pack, 'pack.json'), '{"made":"later"}');
  gpu(['--device', 'cpu', '--scratch', kept]);
  expect(existsSync(marker)).toBe(false);
});

test.each(['the runner is killed', 'the script is told to end'])('when %s, no stage goes on running', async (how) => {
  const child = spawn('bash', [script, '--device', 'cpu', '--stages', 'hang'], {
    env: env(),
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  const told = await new Promise<{ runner: number; child: number }>((resolve) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const line = text.split('\n').find((line) => line.startsWith('{"runner"'));
      if (line?.endsWith('}')) resolve(JSON.parse(line) as { runner: number; child: number });
    });
  });
  if (how === 'the runner is killed') process.kill(told.runner, 'SIGKILL');
  else child.kill('SIGTERM');
  expect(await ended).toBe(how === 'the runner is killed' ? 137 : 7);
  for (let tries = 0; tries < 100 && alive(told.child); tries++) await sleep(50);
  expect([alive(told.runner), alive(told.child)]).toEqual([false, false]);
  expect(readdirSync(scratch)).toEqual([]);
});

test('what is missing or unknown is said', () => {
  expect(gpu(['--help']).stdout).toContain('--stages A,B');
  expect(gpu(['--devise', 'cpu'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('unknown option: --devise') as string,
  });
  expect(gpu(['--minutes'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--minutes needs a value') as string,
  });
  const alone = path.join(folder, 'alone');
  mkdirSync(alone);
  copyFileSync(script, path.join(alone, 'gpu.sh'));
  rmSync(path.join(pack, 'pack.json'));
  const { status, stderr } = spawnSync('bash', [path.join(alone, 'gpu.sh')], { encoding: 'utf8', env: env() });
  expect([status, stderr]).toEqual([1, expect.stringContaining('make one with `npm run gpu:pack`')]);
});

/** Where nobody waits for orphans they stay, as zombies. */
function alive(pid: number): boolean {
  const file = `/proc/${pid}/status`;
  return existsSync(file) && !/^State:\s+Z/m.test(readFileSync(file, 'utf8'));
}

test('what is refused leaves the results of an earlier run alone', () => {
  mkdirSync(out, { recursive: true });
  const results = path.join(out, 'gpu.json');
  writeFileSync(results, 'earlier');
  const { status, stderr } = gpu(['--device', 'gpu']);
  expect([status, stderr]).toEqual([2, '--device gpu: cuda or cpu is needed\n']);
  expect(readFileSync(results, 'utf8')).toBe('earlier');
});
