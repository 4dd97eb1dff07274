import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { expectTensors, openCheckpoint, openLatest } from './load.js';
import type { MemoryDisk } from './memory_disk.js';
import { memoryDisk } from './memory_disk.js';
import { manifestVersion, parseManifest, writeManifest } from './manifest.js';
import { saveCheckpoint } from './save.js';
import { optimizerState, parameters, patternBytes, saveOptionsAt, stateAt } from './testing.js';

const directory = '/run/checkpoints';
const newest = `${directory}/step-000020`;
let disk: MemoryDisk;

beforeEach(async () => {
  disk = memoryDisk();
  for (const step of [10, 20]) await saveCheckpoint(disk, directory, saveOptionsAt(step));
});

async function readAll(path: string): Promise<Uint8Array> {
  const file = await disk.open(path);
  return file.read(0, file.bytes);
}

test('a checkpoint has its state and tensors by name', async () => {
  const checkpoint = await openLatest(disk, directory);
  expect(checkpoint.manifest).toMatchObject({ ...stateAt(20), written_by: 'flotilla 0.0.0' });
  expect(checkpoint.names('parameter').toSorted()).toEqual(parameters.map(({ name }) => name).toSorted());
  expect(checkpoint.names('optimizer')).toHaveLength(optimizerState.length);
  const qkv = parameters[1];
  const tile = await checkpoint.readTile(qkv.name, { view: [4, 3, 2, 2], begin: [0, 0, 1, 0], end: [4, 3, 2, 2] });
  const whole = patternBytes(qkv, 20);
  expect(tile.slice(0, 4)).toEqual(whole.slice(4, 8));
  expect(() => checkpoint.tensor('blocks.0.attention.qvk.weight')).toThrow('blocks.0.attention.qkv.weight');
  expectTensors(checkpoint, [...parameters, ...optimizerState]);
});

test('a model that differs from the checkpoint is told how', async () => {
  const checkpoint = await openLatest(disk, directory);
  const [embedding, qkv, norm, scale] = parameters;
  const other = [
    { ...embedding, shape: [6, 4] },
    qkv,
    { ...norm, name: 'blocks.0.norm.gain' },
    scale,
    ...optimizerState,
  ];
  expect(() => expectTensors(checkpoint, other)).toThrow(
    "'embedding.weight' is f32[5,4] there and f32[6,4] here; 'blocks.0.norm.gain' is missing; " +
      "'blocks.0.norm.weight' is not in this model",
  );
});

test('one flipped bit anywhere is found, named, and the good checkpoint suggested', async () => {
  const files = ['manifest.json', 'model.safetensors', 'optimizer.safetensors'];
  const lengths = await Promise.all(files.map(async (file) => (await readAll(`${newest}/${file}`)).length));
  await fc.assert(
    fc.asyncProperty(fc.nat(2), fc.nat(), fc.nat(7), async (which, position, bit) => {
      const path = `${newest}/${files[which]}`;
      const flip = (bytes: Uint8Array) =>
        bytes.with(position % lengths[which], bytes[position % lengths[which]] ^ (1 << bit));
      const before = await readAll(path);
      disk.corrupt(path, flip);
      const error = await openLatest(disk, directory).then(
        () => null,
        (reason: unknown) => reason,
      );
      disk.corrupt(path, () => before);
      if (error === null) {
        // White space in the manifest carries nothing.
        expect(which).toBe(0);
        const same = new TextDecoder().decode(flip(before)).replace(/\s/g, '');
        expect(same).toBe(new TextDecoder().decode(before).replace(/\s/g, ''));
        return;
      }
      expect(error).toMatchObject({
        code: expect.stringMatching(/^checkpoint\/(file-corrupt|manifest-invalid|newer-format)$/),
      });
      expect((error as Error).message).toContain(files[which]);
      expect((error as Error).message).toContain(`use the previous good checkpoint: ${directory}/step-000010`);
    }),
    { numRuns: 300 },
  );
});

test('a flipped bit of a tensor names the tensor', async () => {
  disk.corrupt(`${newest}/model.safetensors`, (bytes) => bytes.with(bytes.length - 1, bytes[bytes.length - 1] ^ 1));
  await expect(openLatest(disk, directory)).rejects.toThrow(/tensor 'blocks.0.attention.qkv.weight'.*SHA-256 differs/s);
  const checkpoint = await openLatest(disk, directory, { verify: 'structure' });
  expect(checkpoint.manifest.step).toBe(20);
});

test.each([
  ['truncated', (bytes: Uint8Array) => bytes.slice(0, bytes.length - 3), /truncated: it ends 3 bytes before/],
  ['empty', () => new Uint8Array(), /it has 0 bytes/],
])('a file that is %s is refused without reading its content', async (_, change, message) => {
  disk.corrupt(`${newest}/optimizer.safetensors`, change);
  await expect(openLatest(disk, directory, { verify: 'structure' })).rejects.toMatchObject({
    code: 'checkpoint/file-corrupt',
    message: expect.stringMatching(message),
  });
});

test.each(['manifest.json', 'model.safetensors'])('without its %s a checkpoint is refused', async (file) => {
  await disk.remove(`${newest}/${file}`);
  await expect(openLatest(disk, directory)).rejects.toThrow(/it is missing.*step-000010/s);
});

test('with no other good checkpoint the error says so', async () => {
  for (const step of ['10', '20']) disk.corrupt(`${directory}/step-0000${step}/manifest.json`, () => new Uint8Array());
  await expect(openLatest(disk, directory)).rejects.toThrow('no earlier good checkpoint is beside it');
});

test('without `latest` the highest step is taken', async () => {
  await disk.remove(`${directory}/latest`);
  const checkpoint = await openLatest(disk, directory);
  expect(checkpoint.manifest.step).toBe(20);
});

test('a folder without checkpoints is named', async () => {
  await expect(openLatest(disk, '/nowhere')).rejects.toMatchObject({ code: 'checkpoint/none-found' });
});

test('files of two checkpoints do not mix', async () => {
  const old = await readAll(`${directory}/step-000010/model.safetensors`);
  disk.corrupt(`${newest}/model.safetensors`, () => old);
  await expect(openCheckpoint(disk, newest)).rejects.toMatchObject({ code: 'checkpoint/file-corrupt' });
});

test('a manifest from the future says which version it is', () => {
  const bytes = new TextEncoder().encode(JSON.stringify({ flotilla_checkpoint: manifestVersion + 1 }));
  expect(() => parseManifest(bytes, 'manifest.json')).toThrow('checkpoint of format 3; this version reads up to 2');
});

test('a manifest of format 1, which does not count samples, is read', () => {
  const { samples_seen: _, ...state } = stateAt(10);
  const old = { ...state, flotilla_checkpoint: 1, written_by: 'flotilla 0.0.0', files: {}, tensors: {} } as const;
  expect(parseManifest(writeManifest(old), 'manifest.json')).toMatchObject(state);
});

test('a manifest whose field has another type names the field', async () => {
  const json = JSON.parse(new TextDecoder().decode(await readAll(`${newest}/manifest.json`)));
  const wrong = new TextEncoder().encode(JSON.stringify({ ...json, data: { seed: 7, step: -1 } }));
  expect(() => parseManifest(wrong, 'manifest.json')).toThrow('field data.step');
});
