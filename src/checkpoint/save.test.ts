import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Disk } from './disk.js';
import { nodeDisk } from './disk.js';
import { openLatest } from './load.js';
import type { MemoryDisk } from './memory_disk.js';
import { memoryDisk, systemError } from './memory_disk.js';
import { saveCheckpoint } from './save.js';
import { optimizerState, parameters, patternBytes, patternSource, run, saveOptionsAt } from './testing.js';

const directory = '/run/checkpoints';

/** The step of the latest checkpoint, all of whose bytes are those of that step. */
async function latestStep(disk: Disk, at = directory): Promise<number> {
  const checkpoint = await openLatest(disk, at);
  const { step } = checkpoint.manifest;
  for (const tensor of [...parameters, ...optimizerState]) {
    expect(await checkpoint.read(tensor.name), tensor.name).toEqual(patternBytes(tensor, step));
  }
  await checkpoint.close();
  return step;
}

test('a save is what a load finds, on a real disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-save-'));
  try {
    for (const step of [100, 200, 300]) {
      const saved = await saveCheckpoint(nodeDisk, folder, saveOptionsAt(step));
      expect(saved).toMatchObject({ step, path: join(folder, `step-000${step}`), warnings: [] });
    }
    expect(await latestStep(nodeDisk, folder)).toBe(300);
    expect((await readdir(folder)).sort()).toEqual(['latest', 'step-000200', 'step-000300']);
    expect((await readdir(join(folder, 'step-000300'))).sort()).toEqual([
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Steps saved one after the other; the third replaces a checkpoint of the same step, the last goes back. */
const history = [10, 20, 20, 30, 15];

async function saveHistory(disk: MemoryDisk, onSaved: (step: number) => void): Promise<void> {
  for (const step of history) {
    await saveCheckpoint(disk, directory, saveOptionsAt(step));
    onSaved(step);
  }
}

async function operationsOfHistory(): Promise<number> {
  const disk = memoryDisk();
  await saveHistory(disk, () => {});
  return disk.operations.length;
}

/** Saves the history until the power goes at one operation; what the disk then held, and the steps reported as saved. */
async function saveUntilPowerCut(cutAt: number): Promise<{ disk: MemoryDisk; saved: readonly number[] }> {
  const disk = memoryDisk({
    before: ({ index }) => {
      if (index >= cutAt) throw systemError('EIO', 'the power is off');
    },
  });
  const saved: number[] = [];
  await saveHistory(disk, (step) => saved.push(step)).catch(() => {});
  return { disk, saved };
}

test('after a power cut at any operation, whatever reached the disk, the latest checkpoint is whole', async () => {
  const operations = await operationsOfHistory();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: operations - 1 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (cutAt, survives) => {
        const { disk, saved } = await saveUntilPowerCut(cutAt);
        const left = disk.afterPowerCut(() => survives.next().value!);
        // The last that save() reported, or the one it was about to: never an older one.
        if (saved.length > 0) expect([saved.at(-1), history[saved.length]]).toContain(await latestStep(left));
        // And a run can go on from there.
        await saveCheckpoint(left, directory, saveOptionsAt(40));
        expect(await latestStep(left)).toBe(40);
        expect((await left.list(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});

test('a power cut at each operation, with everything or nothing of what was not synced', async () => {
  const operations = await operationsOfHistory();
  for (let cutAt = 0; cutAt < operations; cutAt++) {
    const { disk, saved } = await saveUntilPowerCut(cutAt);
    if (saved.length === 0) continue;
    for (const fraction of [0, 1]) {
      expect([saved.at(-1), history[saved.length]]).toContain(await latestStep(disk.afterPowerCut(() => fraction)));
    }
  }
});

test('any one operation that fails leaves the previous checkpoint and no partial one', async () => {
  const whole = memoryDisk();
  await saveCheckpoint(whole, directory, saveOptionsAt(10));
  const begin = whole.operations.length;
  await saveCheckpoint(whole, directory, saveOptionsAt(20));
  for (let failing = begin; failing < whole.operations.length; failing++) {
    const disk = memoryDisk({
      before: ({ index, text }) => {
        if (index === failing) throw systemError('EIO', text);
      },
    });
    await saveCheckpoint(disk, directory, saveOptionsAt(10));
    await expect(saveCheckpoint(disk, directory, saveOptionsAt(20)), whole.operations[failing]).rejects.toMatchObject({
      code: 'checkpoint/save-failed',
      message: expect.stringContaining('the previous checkpoint is intact'),
    });
    // Where only the last sync of the folder failed, `latest` is already the new one, and that is whole too.
    const renamed = whole.operations.indexOf(`rename ${directory}/latest.${run}.tmp ${directory}/latest`, begin);
    expect(await latestStep(disk)).toBe(failing > renamed ? 20 : 10);
    expect((await disk.list(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }
});

test('a full disk is named, and nothing is lost', async () => {
  const roomy = memoryDisk();
  const { bytes } = await saveCheckpoint(roomy, directory, saveOptionsAt(10));
  for (const spare of [0, 1, 100, 600, bytes - 1]) {
    const disk = memoryDisk({ capacityBytes: bytes + 'step-000010\n'.length + spare });
    await saveCheckpoint(disk, directory, saveOptionsAt(10));
    await expect(saveCheckpoint(disk, directory, saveOptionsAt(20))).rejects.toMatchObject({
      code: 'checkpoint/disk-full',
      message: expect.stringContaining('the previous checkpoint is intact: /run/checkpoints/step-000010'),
    });
    expect(await latestStep(disk)).toBe(10);
    expect(await disk.list(directory)).toEqual(['latest', 'step-000010']);
  }
});

test('the newest checkpoints stay, and after going back the abandoned ones go first', async () => {
  const disk = memoryDisk();
  for (const step of [10, 20, 30, 40]) await saveCheckpoint(disk, directory, saveOptionsAt(step, 3));
  expect(await disk.list(directory)).toEqual(['latest', 'step-000020', 'step-000030', 'step-000040']);
  await saveCheckpoint(disk, directory, saveOptionsAt(25, 3));
  expect(await disk.list(directory)).toEqual(['latest', 'step-000020', 'step-000025', 'step-000040']);
  expect(await latestStep(disk)).toBe(25);
  await saveCheckpoint(disk, directory, saveOptionsAt(26, Infinity));
  expect(await disk.list(directory)).toHaveLength(5);
});

test('older checkpoints that cannot be removed are a warning', async () => {
  const disk = memoryDisk({
    before({ text }) {
      if (text.startsWith('rename /run/checkpoints/step-000010 ')) throw systemError('EPERM', 'step-000010');
    },
  });
  await saveCheckpoint(disk, directory, saveOptionsAt(10, 1));
  const { warnings } = await saveCheckpoint(disk, directory, saveOptionsAt(20, 1));
  expect(warnings).toEqual([expect.stringContaining('EPERM')]);
  expect(await latestStep(disk)).toBe(20);
});

test('an error of the caller passes through, and the partial checkpoint goes', async () => {
  const disk = memoryDisk();
  await saveCheckpoint(disk, directory, saveOptionsAt(10));
  const model = [...parameters, parameters[0]].map((tensor) => patternSource(tensor, 20));
  await expect(saveCheckpoint(disk, directory, { ...saveOptionsAt(20), model })).rejects.toMatchObject({
    code: 'checkpoint/name-twice',
  });
  expect(await disk.list(directory)).toEqual(['latest', 'step-000010']);
});
