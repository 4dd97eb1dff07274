import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { openLatest, openStep } from './load.js';
import { memoryDisk, type MemoryDisk } from './memory_disk.js';
import { saveCheckpoint, type SaveOptions } from './save.js';
import { run, saveOptionsAt } from './testing.js';

// Whatever stands in a folder of checkpoints: what is not the run's stays as it is, and is never taken for the run's.

const directory = '/run/checkpoints';
const other = 'fedcba9876543210';
let disk: MemoryDisk;
beforeEach(() => {
  disk = memoryDisk();
});

const ofAnother = (step: number): SaveOptions => ({
  ...saveOptionsAt(step),
  state: { ...saveOptionsAt(step).state, run: other },
});

async function put(path: string, text: string): Promise<void> {
  await disk.makeDirectory(path.slice(0, path.lastIndexOf('/')));
  const file = await disk.create(path);
  await file.write(new TextEncoder().encode(text));
  await file.close();
}

async function textOf(path: string): Promise<string> {
  const file = await disk.open(path);
  return new TextDecoder().decode(await file.read(0, file.bytes));
}

test('folders and files of others stay, whatever they are called', async () => {
  const names = fc.constantFrom(
    'step-000010/precious',
    'step-000020/manifest.json',
    'step-000030.tmp/precious',
    `step-000010.${other}.tmp/precious`,
    `step-000010.${other}.replaced/precious`,
    'step-000010.replaced/precious',
    'notes.tmp',
    '.shards/precious',
  );
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(names, { minLength: 1 }), fc.integer({ min: 1, max: 2 }), async (theirs, keep) => {
      disk = memoryDisk();
      for (const name of theirs) await put(`${directory}/${name}`, `precious ${name}`);
      for (const step of [10, 20, 20, 30]) await saveCheckpoint(disk, directory, saveOptionsAt(step, keep));
      for (const name of theirs) expect(await textOf(`${directory}/${name}`)).toBe(`precious ${name}`);
      const checkpoint = await openLatest(disk, directory, { run });
      expect(checkpoint.manifest).toMatchObject({ step: 30, run });
    }),
    { numRuns: 40 },
  );
});

test('another run has the name of a step: each keeps its own, and finds it', async () => {
  await saveCheckpoint(disk, directory, ofAnother(10));
  const saved = await saveCheckpoint(disk, directory, saveOptionsAt(10, 1));
  expect(saved.path).toBe(`${directory}/step-000010-2`);
  await saveCheckpoint(disk, directory, saveOptionsAt(20, 1));
  expect(await disk.list(directory)).toEqual(['latest', 'step-000010', 'step-000020']);
  expect((await openStep(disk, directory, 10, { run: other })).manifest.run).toBe(other);
  await expect(openStep(disk, directory, 10, { run })).rejects.toMatchObject({
    code: 'checkpoint/of-another-run',
    message: expect.stringContaining('step-000020'),
  });
});

test('`latest` that names a checkpoint of another run is an error that says which is the run’s own', async () => {
  await saveCheckpoint(disk, directory, saveOptionsAt(10));
  await saveCheckpoint(disk, directory, ofAnother(20));
  await expect(openLatest(disk, directory, { run })).rejects.toMatchObject({
    code: 'checkpoint/of-another-run',
    message: expect.stringContaining(`use the previous good checkpoint: ${directory}/step-000010`),
  });
});

test('a step that is not there: the nearest ones are', async () => {
  for (const step of [10, 20, 30]) await saveCheckpoint(disk, directory, saveOptionsAt(step, 9));
  expect((await openStep(disk, directory, 20)).manifest.step).toBe(20);
  const near = async (step: number) => openStep(disk, directory, step).catch((error: Error) => error.message);
  expect(await near(24)).toContain('use --checkpoint 20 or --checkpoint 30');
  expect(await near(5)).toContain('use --checkpoint 10');
  expect(await near(NaN)).toContain('no checkpoint of step NaN');
  await expect(openStep(disk, '/nowhere', 1)).rejects.toMatchObject({ code: 'checkpoint/none-found' });
});
