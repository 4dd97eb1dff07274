import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { nodeDisk, openLatest, type Disk } from '../checkpoint/index.js';
import { systemError } from '../checkpoint/memory_disk.js';
import { stateAt } from '../checkpoint/testing.js';
import type { LoadedProgram } from '../engine/engine.js';
import { tensorType } from '../ir/type.js';
import { saveState, type SaveRequest } from './save_state.js';
import type { StateBlock, StateTensor } from './state.js';
import { sharedStore } from './testing/shared_store.js';

const directory = mkdtempSync(path.join(os.tmpdir(), 'flotilla-state-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Four numbers, of which each of two ranks has two. */
const parts: readonly StateBlock[] = [0, 1].map((rank) => ({
  rank,
  value: 'weight',
  tiles: [[[2 * rank, 2 * rank + 2]]],
}));
const tensor: StateTensor = {
  name: 'weight',
  kind: 'parameter',
  global: tensorType('f32', { dim: 4 }),
  blocks: parts,
  parts,
};
const holding = (step: number, rank: number) =>
  ({ read: async () => Float32Array.of(step + rank, step - rank) }) as unknown as LoadedProgram;

/** Both ranks save; how it ended for each. */
function save(step: number, attempt: number, peers: SaveRequest['peers'][], disk: Disk) {
  return Promise.allSettled(
    peers.map((own) =>
      saveState({
        ...{ disk, directory, keep: 9, state: stateAt(step), tensors: [tensor], peers: own, attempt },
        ...{ program: holding(step, own.rank), ranks: [own.rank], leaders: [0, 1], writtenBy: 'test' },
      }),
    ),
  );
}

async function saved(): Promise<readonly number[]> {
  const checkpoint = await openLatest(nodeDisk, directory);
  const bytes = await checkpoint.read('weight');
  await checkpoint.close();
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, 4)];
}

test('a save that a full disk has ended is tried again at the same step, with what every rank holds then', async () => {
  let fails = true;
  const disk: Disk = {
    ...nodeDisk,
    async create(file) {
      if (fails) throw systemError('ENOSPC', file);
      return nodeDisk.create(file);
    },
  };
  const peers = [...sharedStore(2, () => new Promise((go) => setTimeout(go, 1)))];
  const [leader, other] = await save(3, 0, peers, disk);
  expect(leader.status).toBe('rejected');
  // The other knows that nothing is saved: it does not take the step for done.
  expect(other).toEqual({ status: 'fulfilled', value: { done: false, checkpoint: null } });
  fails = false;
  const [again, otherAgain] = await save(3, 1, peers, disk);
  expect(again).toMatchObject({ status: 'fulfilled', value: { done: true, checkpoint: { step: 3 } } });
  expect(otherAgain).toEqual({ status: 'fulfilled', value: { done: true, checkpoint: null } });
  expect(await saved()).toEqual([3, 3, 4, 2]);
  expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([]);
});
