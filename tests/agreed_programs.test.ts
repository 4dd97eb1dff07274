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

/** What each rank has come to, each time; null where it says nothing. */
async function ranksOf(ranks: number, ...rounds: readonly Unlike[]): Promise<readonly (readonly string[] | null)[]> {
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
    const child = spawn(process.execPath, [rankMain, JSON.stringify(rounds), here], { env, stdio: 'inherit' });
    return new Promise((resolve) => child.on('close', resolve));
  });
  await Promise.all(ended);
  return Array.from({ length: ranks }, (_, rank) => {
    const file = path.join(here, `rank.${rank}.json`);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as readonly string[]) : null;
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

/** What all ranks alike have come to, each time. */
function alike(said: Awaited<ReturnType<typeof ranksOf>>): readonly string[] {
  expect(said).toEqual(said.map(() => said[0]));
  return said[0]!;
}

/** What the others of a rank say that is gone. */
const hasLeft = (rank: number): RegExp => new RegExp(`rank ${rank}.* has left the job.*\\[launch/rank-left\\]`);

test('two ranks: whichever has a broken class, both say so', async () => {
  const said = alike(await ranksOf(2, { ranks: [0], how: 'wait' }, { ranks: [1], how: 'wait' }));
  expect(said).toHaveLength(2);
  for (const one of said) expect(one).toContain('[program/unordered');
});

test('four ranks: all begin, or all say who compiled another program, and that a class is broken', async () => {
  const [alikeAll, otherGraphs, otherText, broken, ...more] = alike(
    await ranksOf(
      4,
      { ranks: [], how: 'wait' },
      { ranks: [3], how: 'graphs' },
      { ranks: [3], how: 'wait' },
      { ranks: [2, 3], how: 'wait' },
    ),
  );
  expect(alikeAll).toMatch(/^agreed on \d+$/);
  expect(otherGraphs).toContain('ranks 3 and 0 compiled different programs [train/programs-differ]');
  // One of the two ranks of a class.
  expect(otherText).toContain('ranks 3 and 2 compiled different programs [train/programs-differ]');
  expect(broken).toContain('[program/unordered');
  expect(more).toEqual([]);
});

for (const ranks of [2, 4]) {
  const last = ranks - 1;
  test(`${ranks} ranks: the last fails while it compiles, or is killed, and the others end`, async () => {
    const failed = await ranksOf(ranks, { ranks: [last], how: 'fails' });
    expect(failed[last]?.join()).toContain('[test/compiler-fails]');
    const died = await ranksOf(ranks, { ranks: [last], how: 'dies' });
    expect(died[last]).toBeNull();
    for (const said of [...failed.slice(0, last), ...died.slice(0, last)]) expect(said?.join()).toMatch(hasLeft(last));
  });
}

test('rank 0 itself fails', async () => {
  const [first, second] = await ranksOf(2, { ranks: [0], how: 'fails' });
  expect(first?.join()).toContain('[test/compiler-fails]');
  expect(second?.join()).toMatch(hasLeft(0));
});
