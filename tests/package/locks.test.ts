/** Of processes that build the same thing one works at a time. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type * as Places from '../../scripts/setup/places.mjs';
import { setupModule } from '../../src/engine/native/locate.js';

const { withLock, clearAbandoned } = await setupModule<{
  withLock(name: string, body: () => Promise<void>, options?: { remindAfter: number }): Promise<void>;
  clearAbandoned(lock: string, abandoned: string): boolean;
}>('locks.mjs');
const { workFolder } = await setupModule<typeof Places>('places.mjs');
const name = `test-${process.pid}`;
const lock = path.join(workFolder(), '.cache', `${name}.lock`);
mkdirSync(path.dirname(lock), { recursive: true });
afterEach(() => rmSync(lock, { force: true }));

test.each([
  ['is gone', () => '2147483646 1 ' + os.hostname()], // no process has this number
  ['is gone and has said nothing else', () => '2147483646'],
  ['is gone, and another process has its number', () => `${process.pid} 1 ${os.hostname()}`],
])('a lock whose owner %s holds up nobody; two who wait for it take turns', async (_, content) => {
  writeFileSync(lock, content());
  const order: string[] = [];
  const work = (who: string) =>
    withLock(name, async () => {
      order.push(`${who} begins`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      order.push(`${who} ends`);
    });
  await Promise.all([work('a'), work('b')]);
  expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

test('a lock is released where its work fails, and is held by who holds it', async () => {
  await expect(
    withLock(name, async () => {
      expect(readFileSync(lock, 'utf8')).toMatch(new RegExp(`^${process.pid} \\d+ `));
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(existsSync(lock)).toBe(false);
});

test('an owner on another machine is believed while it may be alive', async () => {
  writeFileSync(lock, `${process.pid} 1 elsewhere`);
  let taken = false;
  const waiting = withLock(name, async () => void (taken = true));
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(taken).toBe(false);
  rmSync(lock);
  await waiting;
  expect(taken).toBe(true);
});

const gone = `2147483646 1 ${os.hostname()}`;

test('of two that found a lock abandoned, the later leaves alone what the earlier has taken', async () => {
  writeFileSync(lock, gone);
  await withLock(name, async () => {
    const taken = readFileSync(lock, 'utf8');
    expect(clearAbandoned(lock, gone)).toBe(false);
    expect(readFileSync(lock, 'utf8')).toBe(taken);
  });
  expect(existsSync(`${lock}.clearing`)).toBe(false);
});

test('while one clears a lock away no other does; one that ended meanwhile holds up nobody', async () => {
  writeFileSync(lock, gone);
  writeFileSync(`${lock}.clearing`, `${process.pid}`);
  expect(clearAbandoned(lock, gone)).toBe(false);
  expect(readFileSync(lock, 'utf8')).toBe(gone);
  writeFileSync(`${lock}.clearing`, gone);
  let taken = false;
  await withLock(name, async () => void (taken = true));
  expect(taken).toBe(true);
  expect([existsSync(lock), existsSync(`${lock}.clearing`)]).toEqual([false, false]);
});

test('a lock that has become another process’s is not released', async () => {
  await withLock(name, async () => writeFileSync(lock, `${process.pid} 1 elsewhere`));
  expect(readFileSync(lock, 'utf8')).toBe(`${process.pid} 1 elsewhere`);
});

test('who waits says for which process, again and again', async () => {
  const said: unknown[] = [];
  vi.spyOn(console, 'error').mockImplementation((line) => void said.push(line));
  writeFileSync(lock, `${process.pid}`);
  const waiting = withLock(name, async () => {}, { remindAfter: 300 });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  rmSync(lock);
  await waiting;
  vi.restoreAllMocks();
  expect(said.length).toBeGreaterThan(1);
  for (const line of said)
    expect(line).toMatch(`set-up: waiting for process ${process.pid} that is busy with '${name}'`);
});
