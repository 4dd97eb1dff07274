import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { defineDiagnostic, type DiagnosticError } from '../ir/diagnostic.js';
import { readErrorFile, writeErrorFile } from './error_file.js';
import { launch, type LaunchOptions, type RankLine } from './launch.js';
import { built } from '../../tests/setup/built.js';

const misbehaving = built(new URL('testing/misbehaving_rank.ts', import.meta.url));

/** Starts three ranks, of which rank 1 behaves so; what they printed, how the job ended, and whether anything was left. */
async function start(behaviour: string, options: Partial<LaunchOptions> = {}) {
  const lines: RankLine[] = [];
  const began = performance.now();
  let error: unknown = null;
  try {
    await launch({
      ranks: 3,
      args: [misbehaving, behaviour],
      output: (line) => lines.push(line),
      graceSeconds: 1,
      ...options,
    });
  } catch (thrown) {
    error = thrown;
  }
  const pids = lines.map(({ line }) => Number(/pid (\d+)/.exec(line)?.[1])).filter(Boolean);
  return {
    lines,
    seconds: (performance.now() - began) / 1000,
    error: error as DiagnosticError,
    pids,
    left: pids.filter(isAlive),
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie has ended.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('ranks wait a second for the names of those who connect, unless the user says otherwise', async () => {
  const told = async (env: LaunchOptions['env']) => {
    const lines: string[] = [];
    const args = ['-p', 'process.env.RES_OPTIONS'];
    await launch({ ranks: 1, args, env, output: ({ line }) => lines.push(line) });
    return lines;
  };
  vi.stubEnv('RES_OPTIONS', undefined);
  expect(await told({})).toEqual(['timeout:1 attempts:2']);
  expect(await told({ RES_OPTIONS: 'timeout:9' })).toEqual(['timeout:9']);
  vi.stubEnv('RES_OPTIONS', 'timeout:7');
  expect(await told({})).toEqual(['timeout:7']);
  vi.unstubAllEnvs();
});

test('a job that succeeds ends without an error; its ranks know their places and may send messages', async () => {
  const messages: unknown[] = [];
  const temporary = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
  vi.stubEnv('TMPDIR', temporary);
  const { error, lines, left } = await start('succeed', {
    onMessage: (rank, message) => messages.push([rank, message]),
  });
  expect(error).toBeNull();
  expect(lines.map(({ rank, line }) => line.startsWith(`rank ${rank} of 3`))).toEqual([true, true, true]);
  expect(messages).toEqual([[1, { loss: 1.5 }]]);
  expect(left).toEqual([]);
  vi.unstubAllEnvs();
  expect(readdirSync(temporary).filter((name) => name.startsWith('flotilla'))).toEqual([]);
  rmSync(temporary, { recursive: true });
});

test('a rank’s own diagnostic is the job’s error, within seconds, and the others are gone', async () => {
  const { error, seconds, pids, left } = await start('diagnostic');
  expect(error.code).toBe('launch/rank-failed');
  expect(error.message).toContain('rank 1: the loss is not a number at step 7 [test/loss-is-nan]');
  expect(error.message).toContain('where  blocks.3.mlp');
  expect(error.message).toContain('fix    lower the learning rate');
  expect(pids.length).toBeGreaterThan(0);
  expect(left).toEqual([]);
  expect(seconds).toBeLessThan(15);
});

test.each([
  ['finish, however long that takes', true, 3],
  ['are ended in time where they are not at work', false, 0],
])('ranks that a signal has reached %s', async (_, atWork, saved) => {
  const told: string[] = [];
  let up = 0;
  const lines: RankLine[] = [];
  const { error, left } = await start('slow', {
    interruptSeconds: 0.3,
    graceSeconds: 0.3,
    progress: () => ({ atWork, saved: false, recovery: 'start again' }),
    onInterrupt: (signal) => told.push(signal),
    output(line) {
      lines.push(line);
      if (line.line.startsWith('rank ') && ++up === 3) setTimeout(() => process.emit('SIGTERM', 'SIGTERM'), 100);
    },
  });
  expect(lines.filter(({ line }) => line === 'saved')).toHaveLength(saved);
  expect(told).toEqual(['SIGTERM']);
  expect(error.code).toBe('launch/interrupted');
  expect(error.message).toContain(atWork ? 'before anything was saved' : 'before the first step: nothing was trained');
  expect(left).toEqual([]);
});

test('ranks that ignore SIGTERM are killed', async () => {
  const { error, left } = await start('stubborn');
  expect(error.message).toContain('the loss is not a number');
  expect(left).toEqual([]);
});

test('an ordinary error, a crash and a kill are told apart', async () => {
  const [ordinary, crash, killed] = await Promise.all(
    ['error', 'crash', 'killed'].map((behaviour) =>
      start(behaviour, { progress: () => ({ atWork: true, saved: true, recovery: 'go on with it' }) }),
    ),
  );
  for (const { error } of [ordinary, crash, killed]) expect(error.diagnostic.fix).toMatch(/; go on with it$/);
  expect(ordinary.error.message).toContain('rank 1 failed: TypeError: x is not a function');
  expect(crash.error.message).toContain('rank 1 ended with SIGABRT');
  expect(crash.error.message).toContain('about to crash');
  expect(killed.error.message).toContain('SIGKILL');
  expect(killed.error.diagnostic.fix).toContain('memory');
  expect([...ordinary.left, ...crash.left, ...killed.left]).toEqual([]);
});

test('a cause is preferred to its consequences', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
  const failed = defineDiagnostic('engine/collective-failed', () => ({
    what: 'all_reduce failed',
    fix: 'look elsewhere',
  }));
  writeErrorFile(path.join(folder, 'a'), failed({}), () => 1_000_500);
  writeErrorFile(path.join(folder, 'b'), new Error('plain'), () => 1_000_900);
  expect(readErrorFile(path.join(folder, 'a'))).toEqual({
    message: failed({}).message,
    timestamp: 1000.5,
    diagnostic: { code: 'engine/collective-failed', what: 'all_reduce failed', fix: 'look elsewhere' },
  });
  expect(readErrorFile(path.join(folder, 'b'))).toMatchObject({ message: 'Error: plain', diagnostic: null });
  expect(readErrorFile(path.join(folder, 'c'))).toBeNull();
  rmSync(folder, { recursive: true });
});

test('a port that is taken is refused before anything starts', async () => {
  const server = net.createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port)),
  );
  const { error, lines } = await start('succeed', { port });
  server.close();
  expect(error.code).toBe('launch/port-taken');
  expect(lines).toEqual([]);
});

test('a command that cannot be started is one error', async () => {
  const { error } = await start('succeed', { command: '/nonexistent/program' });
  expect(error.code).toBe('launch/command-not-started');
});

test('ranks end when their launcher is killed or interrupted', async () => {
  const script = `
    import { launch } from ${JSON.stringify(built(new URL('launch.ts', import.meta.url)))};
    await launch({ ranks: 2, args: [${JSON.stringify(misbehaving)}, 'wait'] }).catch((error) => {
      console.log(error.code);
      process.exit(1);
    });`;
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const launcher = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    launcher.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    const pids = () => [...output.matchAll(/pid (\d+)/g)].map((match) => Number(match[1]));
    await until(() => pids().length === 2);
    launcher.kill(signal);
    await until(() => !pids().some(isAlive));
    if (signal === 'SIGTERM') await until(() => output.includes('launch/interrupted'));
  }
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited for a minute');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
