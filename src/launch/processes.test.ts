import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { NativeLaunch, LaunchList } from '../engine/native/loaded_program.js';
import { packageRoot } from '../engine/native/package_root.js';
import { collective, decode, fill, view } from '../engine/native/testing/views.js';
import { launch } from './launch.js';
import { countMallocs } from './testing/count_mallocs.js';
import type { RankWork } from './testing/rank_main.js';
import { built } from '../../tests/setup/built.js';

// Two real processes, started by our launcher and by torchrun.

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const arenaBytes = 1 << 16;
const rankMain = built(new URL('testing/rank_main.ts', import.meta.url));

function writeWork(
  name: string,
  work: Omit<RankWork, 'arenaBytes'>,
): { args: string[]; arena(rank: number): Uint8Array } {
  const file = path.join(mkdtempSync(path.join(folder, `${name}-`)), 'work.json');
  writeFileSync(file, JSON.stringify({ arenaBytes, ...work }));
  return {
    args: [rankMain, file],
    arena: (rank) => readFileSync(path.join(path.dirname(file), `arena.${rank}`)),
  };
}

const wait = (event: number): NativeLaunch => ({ kind: 'wait', event, at: 'test.wait' });

/** Every kind of communication once. Rank r fills its input with r + 1. */
function everyCollective(rank: number): LaunchList {
  const n = 8;
  const input = view('f32', 0, n);
  const at = (slot: number, length: number) => view('f32', 1024 * slot, length);
  const uneven = [3, 5];
  return {
    groups: [{ id: 0, ranks: [0, 1] }],
    launches: [
      fill(input, rank + 1),
      collective('all_reduce', input, at(1, n), { event: 1 }),
      wait(1),
      collective('all_gather', view('f32', 0, uneven[rank]), at(2, n), { event: 2, outputCounts: uneven }),
      collective('reduce_scatter', input, at(3, uneven[rank]), {
        event: 3,
        inputCounts: uneven,
        scratch: { offset: 1024 * 6, bytes: 4 * uneven[rank] },
      }),
      wait(2),
      wait(3),
      collective('all_to_all', input, at(4, n), { event: 4 }),
      { kind: 'send', peer: 1 - rank, tag: 7, view: input, event: 5, at: 'test.send' },
      { kind: 'recv', peer: 1 - rank, tag: 7, view: at(5, n), event: 6, at: 'test.recv' },
      wait(4),
      wait(6),
      wait(5),
    ],
  };
}

function expectEveryCollective(arena: (rank: number) => Uint8Array): void {
  for (let rank = 0; rank < 2; rank++) {
    const slot = (index: number, length: number) =>
      decode('f32', arena(rank).subarray(1024 * index, 1024 * index + 4 * length));
    expect(slot(1, 8)).toEqual([3, 3, 3, 3, 3, 3, 3, 3]);
    expect(slot(2, 8)).toEqual([1, 1, 1, 2, 2, 2, 2, 2]);
    expect(slot(3, rank === 0 ? 4 : 6)).toEqual(rank === 0 ? [3, 3, 3, 0] : [3, 3, 3, 3, 3, 0]);
    expect(slot(4, 8)).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    expect(slot(5, 8)).toEqual(new Array(8).fill(2 - rank));
  }
}

test('two processes of our launcher communicate', async () => {
  const { args, arena } = writeWork('launch', { programs: [everyCollective(0), everyCollective(1)], steps: 3 });
  await launch({ ranks: 2, args });
  expectEveryCollective(arena);
});

test('when one rank fails the job ends with its error, not with the broken connections of the others', async () => {
  const { args } = writeWork('failing', { programs: [everyCollective(0), everyCollective(1)], steps: 5, failing: 1 });
  const began = performance.now();
  const error = await launch({ ranks: 2, args, output: () => {} }).catch((thrown: unknown) => thrown as Error);
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).toContain('rank 1 failed: Error: rank 1 gives up');
  expect(performance.now() - began).toBeLessThan(20_000);
});

test('torchrun --no-python starts the same ranks', () => {
  const torchrun = path.join(packageRoot(), '.venv', 'bin', 'torchrun');
  const command = existsSync(torchrun) ? torchrun : 'torchrun';
  if (spawnSync(command, ['--help']).status !== 0) {
    console.warn('torchrun is not installed here, so nothing was tried with it');
    return;
  }
  const { args, arena } = writeWork('torchrun', { programs: [everyCollective(0), everyCollective(1)], steps: 2 });
  execFileSync(command, ['--standalone', '--nproc-per-node', '2', '--no-python', process.execPath, ...args], {
    stdio: 'pipe',
  });
  expectEveryCollective(arena);
});

test('ten steady-state steps of every kind of communication allocate nothing in the addon’s own code', async () => {
  const counts = await countMallocs({
    arenaBytes,
    programs: [everyCollective(0), everyCollective(1)],
    steps: 10,
    warmUp: 3,
  });
  expect(counts.map(({ steps }) => steps)).toEqual([0, 0]);
  expect(Math.min(...counts.map(({ whole }) => whole))).toBeGreaterThan(100);
});
