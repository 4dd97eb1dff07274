/**
 * Two and four real processes, each with its own class: one answer for all, and an end for all, whoever is at fault. No launcher ends them:
 * they have nothing but each other.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Unlike } from './scenarios/agreeing_rank_main.js';
import { built } from './setup/built.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const rankMain = built(new URL('scenarios/agreeing_rank_main.ts', import.meta.url));

/** What each rank says at its end; null where it says nothing. */
async function ranksOf(ranks: number, unlike: Unlike): Promise<readonly (string | null)[]> {
  const here = mkdtempSync(path.join(folder, 'job-'));
  const port = await freePort();
  const ended = Array.from({ length: ranks }, (_, rank) => {
    const env = {
      ...process.env,
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(ranks),
      LOCAL_WORLD_SIZE: String(ranks),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(port),
    };
    const child = spawn(process.execPath, [rankMain, JSON.stringify(unlike), here], { env, stdio: 'inherit' });
    return new Promise((resolve) => child.on('close', resolve));
  });
  await Promise.all(ended);
  return Array.from({ length: ranks }, (_, rank) => {
    const file = path.join(here, `rank.${rank}.txt`);
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const alike = (said: readonly (string | null)[]): string => {
  expect(said).toEqual(said.map(() => said[0]));
  return said[0]!;
};

/** What the others of a rank say that is gone. */
const hasLeft = (rank: number): RegExp => new RegExp(`rank ${rank}.* has left the job.*\\[launch/rank-left\\]`);

for (const ranks of [2, 4]) {
  const last = ranks - 1;
  test(`${ranks} ranks: the class of the last group is broken, and all say so`, async () => {
    const ofClass = ranks === 2 ? [1] : [2, 3];
    expect(alike(await ranksOf(ranks, { ranks: ofClass, how: 'wait' }))).toContain('[program/unordered');
  });

  test(`${ranks} ranks: the last fails while it compiles, or is killed, and the others end`, async () => {
    const failed = await ranksOf(ranks, { ranks: [last], how: 'fails' });
    expect(failed[last]).toContain('[test/compiler-fails]');
    const died = await ranksOf(ranks, { ranks: [last], how: 'dies' });
    expect(died[last]).toBeNull();
    for (const said of [...failed.slice(0, last), ...died.slice(0, last)]) expect(said).toMatch(hasLeft(last));
  });
}

test('all of four ranks begin', async () => {
  expect(alike(await ranksOf(4, { ranks: [], how: 'wait' }))).toMatch(/^agreed on \d+$/);
});

test('the last of four ranks has placed other graphs', async () => {
  const said = alike(await ranksOf(4, { ranks: [3], how: 'graphs' }));
  expect(said).toContain('ranks 3 and 0 compiled different programs [train/programs-differ]');
});

test('one of two ranks of a class runs another text', async () => {
  const said = alike(await ranksOf(4, { ranks: [3], how: 'wait' }));
  expect(said).toContain('ranks 3 and 2 compiled different programs [train/programs-differ]');
});

test('rank 0 itself is at fault, or fails', async () => {
  expect(alike(await ranksOf(2, { ranks: [0], how: 'wait' }))).toContain('[program/unordered');
  const [first, second] = await ranksOf(2, { ranks: [0], how: 'fails' });
  expect(first).toContain('[test/compiler-fails]');
  expect(second).toMatch(hasLeft(0));
});
