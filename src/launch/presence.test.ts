import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { look, ownPresence, parsePresence, presenceText } from './presence.js';

test('a process of this machine is seen running, stopped and gone', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log(1)'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  const own = ownPresence(0);
  const one = { ...presenceOf(child.pid!), rank: 1 };
  expect(look(one, own)).toBe('running');
  child.kill('SIGSTOP');
  await until(() => look(one, own) === 'stopped');
  child.kill('SIGCONT');
  await until(() => look(one, own) === 'running');
  expect(look({ ...one, machine: 'another' }, own)).toBe('unseen');
  // The same number, given to a process that started at another time.
  if (one.started !== null) expect(look({ ...one, started: '1' }, own)).toBe('gone');
  child.kill('SIGKILL');
  await until(() => look(one, own) === 'gone');
});

test('what a process tells of itself reads back', () => {
  const own = ownPresence(3);
  expect(parsePresence(presenceText(own))).toEqual(own);
});

/** What that process would tell of itself. */
function presenceOf(pid: number) {
  const own = ownPresence(1);
  const started = own.started === null ? null : startOf(pid);
  return { ...own, pid, started };
}

function startOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('waited for 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
