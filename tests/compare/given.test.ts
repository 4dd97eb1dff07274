/** Differences in what two runs were given, planted one by one: each is named as what it is. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareRuns, comparisonText, type Comparison } from '../../src/compare/index.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { openDataset } from '../../src/data/index.js';
import { sequenceAt } from '../../src/data/order.js';
import { RunLock } from '../../src/run/lock.js';
import { Workplace } from '../training/tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const run = (name: string) => work.file('runs', name);
const save: TrainOptions = { checkpoint: { every_steps: 2 } };
beforeAll(async () => void (await work.train('a', save)));

/** Trains another run and compares it with `a`. */
async function against(name: string, options: TrainOptions): Promise<Comparison> {
  await work.train(name, { ...save, ...options });
  return compareRuns(run('a'), run(name));
}

test('nothing: two runs that were asked for the same are the same', async () => {
  const found = await against('again', {});
  expect(found.verdict).toBe('same');
  expect(comparisonText(found)).toContain('the same, bit for bit, to step 4');
});

test('a file of text', async () => {
  cpSync(work.file('corpus'), work.file('edited'), { recursive: true });
  const file = work.file('edited', '3.txt');
  writeFileSync(file, readFileSync(file, 'utf8').replace('sails', 'rests'));
  const { verdict, data } = await against('file', { data: { paths: [work.file('edited')] } });
  expect(verdict).toBe('data');
  expect(data).toMatchObject({ kind: 'differs', because: expect.arrayContaining([expect.stringContaining('paths')]) });
});

test('the order of samples', async () => {
  const { verdict, data } = await against('order', { data: { seed: 5 } });
  expect(verdict).toBe('data');
  expect(data).toMatchObject({ step: 1, token: { sample: 1 }, because: ['the order: data.seed is 0 in A and 5 in B'] });
});

test('sequences in a batch', async () => {
  const { verdict, data } = await against('batch', { batch: { sequences: 3, microbatch: 1 } });
  expect(verdict).toBe('data');
  expect(data).toMatchObject({ step: 1, because: ['batch.sequences is 4 in A and 3 in B'] });
});

test('the vocabulary of the tokenizer makes other models; its split alone other data', async () => {
  await expect(against('vocab', { data: { tokenizer: { vocab: 265 } } })).rejects.toThrow('model.vocab');
  const { verdict, data } = await against('split', { data: { validation_fraction: 0.4 } });
  expect(verdict).toBe('data');
  expect(data).toMatchObject({
    because: expect.arrayContaining(['data.validation_fraction is 0.2 in A and 0.4 in B']),
  });
});

test('the seed of weights', async () => {
  const { verdict, state } = await against('seed', { seed: 7 });
  expect(verdict).toBe('seed');
  expect(state).toMatchObject({ kind: 'differs', step: 0 });
});

test('other weights to begin with', async () => {
  await work.train('weights', { seed: 3, steps: 1 });
  const { verdict, state, asked } = await against('begun', {
    checkpoint: { ...save.checkpoint, initial_load_path: run('weights') },
  });
  expect(verdict).toBe('state');
  expect(state).toMatchObject({ step: 0 });
  expect(asked.map(({ field }) => field)).toEqual(['checkpoint.initial_load_path']);
});

test('what the optimizer is asked for', async () => {
  const { verdict, asked, steps } = await against('rate', {
    optimizer: { lr: 2e-2, warmup_steps: 2, decay_steps: 12 },
  });
  expect(verdict).toBe('options');
  expect(asked).toEqual([{ field: 'optimizer.lr', a: '0.01', b: '0.02' }]);
  expect(steps).toMatchObject({ kind: 'differs', step: 1, loss: [expect.any(Number), expect.any(Number)] });
});

/** Flips a bit of an element of a tensor in a checkpoint, one of f32's 23 of fraction, and lets the checkpoint say that it is so. */
function flipBit(name: string, step: number, tensor: string, bit: number): void {
  const folder = work.checkpoint(name, step);
  const manifestFile = path.join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const stated = manifest.tensors[tensor];
  const file = path.join(folder, stated.file);
  const bytes = readFileSync(file);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
  const [from, to] = header[tensor].data_offsets as [number, number];
  bytes[8 + headerBytes + from + 8 + (bit >> 3)] ^= 1 << (bit & 7);
  writeFileSync(file, bytes);
  const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
  stated.sha256 = hash(bytes.subarray(8 + headerBytes + from, 8 + headerBytes + to));
  manifest.files[stated.file].sha256 = hash(bytes);
  const { sha256: _, ...content } = manifest;
  const canonical = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([k, v]) => [k, canonical(v)]),
        )
      : value;
  writeFileSync(
    manifestFile,
    JSON.stringify({ ...content, sha256: hash(Buffer.from(JSON.stringify(canonical(content)))) }),
  );
}

test.each([
  ['blocks.0.mlp.up.weight', 0],
  // A smaller one would be lost in the update.
  ['optimizer.exp_avg.blocks.0.mlp.up.weight', 22],
])('a bit of a checkpoint: %s', async (tensor, bit) => {
  const name = tensor.startsWith('optimizer') ? 'bit-of-state' : 'bit';
  await work.train(name, save);
  flipBit(name, 2, tensor, bit);
  await work.resume(name, [], { checkpoint: 2 });
  const found = await compareRuns(run('a'), run(name));
  expect(found.verdict).toBe('state');
  expect(found.state).toMatchObject({ kind: 'differs', step: 2, tensors: [tensor] });
  expect(found.steps).toMatchObject({ kind: 'differs', step: 3, before: 2 });
});

test('prepared data that was changed under a run, by step and sample', async () => {
  const data = { cache: work.file('cache-2') };
  const { folder } = (await work.train('first', { steps: 1, data })).summary;
  const prepared = (JSON.parse(readFileSync(path.join(folder, 'run.json'), 'utf8')) as { data: { folder: string } })
    .data.folder;
  const dataset = openDataset(prepared, { context: 8, globalBatch: 4 });
  // The second of step 2, and in it the token at place 3.
  const sequence = sequenceAt({ seed: 0, sample: 5, sequences: dataset.train.sequencesPerEpoch });
  dataset.close();
  const file = path.join(prepared, 'train.bin');
  const tokens = readFileSync(file);
  const at = 2 * (8 * sequence + 3);
  const token = tokens.readUInt16LE(at);
  tokens.writeUInt16LE(token ^ 1, at);
  writeFileSync(file, tokens);
  const found = await against('cached', { data });
  expect(found.verdict).toBe('data');
  expect(found.data).toMatchObject({ step: 2, token: { sample: 2, place: 3, a: token, b: token ^ 1 } });
  // docs/compare.md shows it.
  const shown = comparisonText(found).replace(run('a'), 'runs/a').replace(run('cached'), 'runs/b');
  await expect(`${shown}\n`).toMatchFileSnapshot('printed/other_data.txt');
});

test('runs of different models, runs without digests, and folders that are none are refused; one that still goes is told of', async () => {
  await work.train('model', { steps: 1, model: { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 } });
  await expect(compareRuns(run('a'), run('model'))).rejects.toThrow('model.layers is 2');
  await work.train('silent', { steps: 1, logging: { ...work.options('silent').logging, digest_every_steps: null } });
  await expect(compareRuns(run('a'), run('silent'))).rejects.toThrow('[compare/no-digests]');
  await expect(compareRuns(run('a'), run('none'))).rejects.toThrow('[run/not-found]');
  await work.train('sparse', { steps: 3, logging: { ...work.options('sparse').logging, digest_every_steps: 3 } });
  expect((await compareRuns(run('a'), run('sparse'))).steps).toEqual({ kind: 'same', last: 3 });
  const lock = RunLock.take(run('a'));
  try {
    expect(comparisonText(await compareRuns(run('a'), run('again')))).toContain('still going');
  } finally {
    lock.release();
  }
});
