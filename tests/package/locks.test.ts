/** Of processes that build the same thing one works at a time. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type * as Places from '../../scripts/setup/places.mjs';
import { setupModule } from '../../src/engine/native/locate.js';

const { withLock } = await setupModule<{ withLock(name: string, body: () => Promise<void>): Promise<void> }>(
  'locks.mjs',
);
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
