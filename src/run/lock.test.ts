import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { requireLock, RunLock } from './lock.js';
import { runs, thisProcess, type ProcessId } from '../data/process_id.js';
import { built } from '../../tests/setup/built.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-lock-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string) => path.join(folder, name);

/** A lock that its holder left behind. */
function leave(holder: Partial<ProcessId>, secondsAgo = 0): void {
  const all = { ...thisProcess(), token: 'aaaa', since: '2026-01-01T00:00:00.000Z', ...holder };
  writeFileSync(file('lock'), JSON.stringify(all));
  const time = Date.now() / 1000 - secondsAgo;
  utimesSync(file('lock'), time, time);
}

test('a lock is held by one, says by whom, and leaves nothing behind', () => {
  const lock = RunLock.take(folder);
  expect(readdirSync(folder)).toEqual(['lock']);
  expect(RunLock.runningHolder(folder)?.pid).toBe(process.pid);
  expect(() => RunLock.take(folder)).toThrow(`${process.pid} on ${os.hostname()}`);
  requireLock(folder, lock.token);
  expect(readdirSync(folder)).toEqual(['lock']);
  lock.release();
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
  RunLock.take(folder).release();
});

test('a lock or a folder that is gone is said to be gone, and nobody to have taken it', () => {
  const elsewhere = `${folder}-moved`;
  onTestFinished(() => rmSync(elsewhere, { recursive: true, force: true }));
  const lock = RunLock.take(folder);
  renameSync(folder, elsewhere);
  const lost = () => requireLock(folder, lock.token);
  expect(lost).toThrow(`${folder} has been moved or removed [run/lock-lost]`);
  mkdirSync(folder);
  expect(lost).toThrow(`the lock of ${folder} has been removed [run/lock-lost]`);
  expect(lost).not.toThrow(/other one|sign of life/);
  lock.release();
});

test.runIf(process.platform === 'linux')(
  'a process that has ended is succeeded: gone, its number used again, a zombie',
  async () => {
    const dead = [
      { pid: 99_999_999 },
      // The number of a process that runs, but began at another time.
      { started: '1' },
    ];
    for (const holder of dead) {
      leave(holder);
      expect(RunLock.runningHolder(folder)).toBeNull();
      RunLock.take(folder).release();
      expect(readdirSync(folder)).toEqual([]);
    }
    // A parent that never asks how its child ended: the child stays, in state Z. A shell would ask; what it has become does not.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text) => resolve(Number(text))));
    const until = async (isSo: () => boolean) => {
      while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n');
    process.kill(pid, 'SIGKILL');
    const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8');
    await until(() => stat().includes(') Z '));
    const started = stat()
      .slice(stat().lastIndexOf(')') + 2)
      .split(' ')[19];
    expect(runs({ ...thisProcess(), pid, started })).toBe(false);
    parent.kill('SIGKILL');
  },
);

test('a process on another machine, or in another container, is judged by its signs of life', () => {
  for (const elsewhere of [{ host: 'another' }, { place: 'another machine, or another start of it' }]) {
    leave(elsewhere, 30);
    expect(() => RunLock.take(folder)).toThrow(/sign of life 30 s ago/);
    leave(elsewhere, 120);
    RunLock.take(folder).release();
    // A clock that is behind does not make it dead.
    leave(elsewhere, -3600);
    expect(() => RunLock.take(folder)).toThrow('run/locked');
    rmSync(file('lock'));
  }
});

test('a holder that was taken for ended finds out, and does not release what is another’s', () => {
  const first = RunLock.take(folder);
  const second = RunLock.take(folder, { isRunning: () => false });
  expect(() => requireLock(folder, first.token)).toThrow('run/lock-lost');
  first.release();
  requireLock(folder, second.token);
  second.release();
});

test('a taker that died halfway is succeeded too', () => {
  leave({ pid: 99_999_999 });
  const dead = { ...thisProcess(), token: 'bbbb', since: '', pid: 99_999_998 };
  writeFileSync(file('lock.after.aaaa'), JSON.stringify(dead));
  const lock = RunLock.take(folder);
  expect(readdirSync(folder)).toEqual(['lock']);
  requireLock(folder, lock.token);
  lock.release();
});

test('a file that names no holder is refused, not waited for', () => {
  for (const text of ['', '{', '[]', '{"token":"../../x"}', 'null']) {
    writeFileSync(file('lock'), text);
    expect(() => RunLock.take(folder)).toThrow('run/lock-unreadable');
    expect(readdirSync(folder)).toEqual(['lock']);
  }
  // Links that come back to where they began.
  leave({ pid: 99_999_999 });
  writeFileSync(file('lock.after.aaaa'), readFileSync(file('lock')));
  expect(() => RunLock.take(folder)).toThrow('run/lock-unreadable');
});

test('of processes that take it from the dead at once, one holds it', async () => {
  const program = built(new URL('testing/lock_taker.ts', import.meta.url));
  const takers = Array.from({ length: 4 }, async () => {
    const child = spawn(process.execPath, [program, folder, '150'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, error] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (error += text));
    await new Promise((resolve) => child.on('close', resolve));
    expect(error).toBe('');
    return Number(out);
  });
  const held = await Promise.all(takers);
  // Whatever the order, nobody waits for the dead.
  expect(held.reduce((a, b) => a + b)).toBeGreaterThan(150);
  expect(readdirSync(folder).filter((name) => name !== 'lock')).toEqual([]);
});
