import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canonicalJson, type Manifest } from '../../src/checkpoint/index.js';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
import { listRunCheckpoints } from '../../src/run/list_checkpoints.js';
import { listRuns } from '../../src/run/list_runs.js';
import { folderBytes } from './folder_bytes.js';
import { Workplace } from './tiny_run.js';

// Run folders as somebody would make them who wants more than to be read: each command answers with a code, in a moment, and nothing
// outside the folder is read or changed.

const work = new Workplace();
const outside = work.file('outside');
const secret = 'a secret that stands in a file of the user’s own';
beforeAll(async () => {
  await work.train('good', { steps: 1 });
  mkdirSync(path.join(outside, 'folder'), { recursive: true });
  for (const name of ['secret', 'folder/secret', 'folder/manifest.json', 'folder/latest'])
    writeFileSync(path.join(outside, name), secret);
});
afterAll(() => work.remove());

const run = work.file('runs', 'hostile');
const checkpoint = path.join(run, 'checkpoints', 'step-000001');
const put = (name: string, content: string | Uint8Array) => writeFileSync(path.join(run, name), content);
const inCheckpoint = (name: string, content: string | Uint8Array) =>
  writeFileSync(path.join(checkpoint, name), content);
const link = (name: string, to: string) => {
  rmSync(path.join(run, name), { recursive: true, force: true });
  symlinkSync(path.join(outside, to), path.join(run, name));
};

/** Rewrites the manifest, with a hash that fits: whoever writes a checkpoint can. */
function manifest(change: (content: Omit<Manifest, 'sha256'>) => object): void {
  const { sha256, ...content } = JSON.parse(readFileSync(path.join(checkpoint, 'manifest.json'), 'utf8')) as Manifest;
  expect(sha256).toHaveLength(64);
  const changed = change(content);
  const hash = createHash('sha256').update(canonicalJson(changed)).digest('hex');
  inCheckpoint('manifest.json', JSON.stringify({ ...changed, sha256: hash }));
}

const [modelFile, optimizerFile] = ['model.safetensors', 'optimizer.safetensors'];
function header(change: (header: Record<string, { shape: number[]; data_offsets: number[] }>) => unknown): void {
  const bytes = readFileSync(path.join(checkpoint, modelFile));
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const made = change(JSON.parse(bytes.toString('utf8', 8, end)));
  const text = Buffer.from(typeof made === 'string' ? made : JSON.stringify(made));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  inCheckpoint(modelFile, Buffer.concat([size, text, bytes.subarray(end)]));
}
const first = (all: Record<string, unknown>): string => Object.keys(all).find((name) => name !== '__metadata__')!;
const rename = (file: string) => (content: Omit<Manifest, 'sha256'>) => ({
  ...content,
  files: { [file]: content.files[modelFile], [optimizerFile]: content.files[optimizerFile] },
  tensors: Object.fromEntries(
    Object.entries(content.tensors).map(([name, one]) => [name, one.file === modelFile ? { ...one, file } : one]),
  ),
});

const cases: Readonly<Record<string, () => void>> = {
  'a manifest that names a file above': () => manifest(rename('../../../secret')),
  'a manifest that names an absolute path': () => manifest(rename(path.join(outside, 'secret'))),
  'a manifest that names a folder below': () => manifest(rename('below/model.safetensors')),
  'a manifest that names itself': () => manifest(rename('manifest.json')),
  'a manifest that names nothing': () => manifest(rename('')),
  'a manifest that names a name with a zero in it': () => manifest(rename('a\0b')),
  'a manifest that names __proto__': () =>
    inCheckpoint('manifest.json', '{"flotilla_checkpoint":1,"files":{"__proto__":{"bytes":1}},"__proto__":{"step":1}}'),
  'a manifest of a million brackets': () => inCheckpoint('manifest.json', '['.repeat(1e6)),
  'a manifest of nested objects': () => inCheckpoint('manifest.json', `${'{"a":'.repeat(1e5)}1${'}'.repeat(1e5)}`),
  'a manifest with a step that is no number': () => manifest((content) => ({ ...content, step: 1e300 })),
  'a manifest with a tensor of a huge shape': () =>
    manifest((content) => ({
      ...content,
      tensors: { ...content.tensors, huge: { ...content.tensors[first(content.tensors)], shape: [2 ** 40, 2 ** 40] } },
    })),
  'a manifest that is a link out': () => {
    rmSync(path.join(checkpoint, 'manifest.json'));
    symlinkSync(path.join(outside, 'secret'), path.join(checkpoint, 'manifest.json'));
  },
  'a manifest that is a folder': () => {
    rmSync(path.join(checkpoint, 'manifest.json'));
    mkdirSync(path.join(checkpoint, 'manifest.json'));
  },
  'a manifest that is a pipe': () => {
    rmSync(path.join(checkpoint, 'manifest.json'));
    execFileSync('mkfifo', [path.join(checkpoint, 'manifest.json')]);
  },
  'a manifest of a gigabyte of nothing': () => truncateSync(path.join(checkpoint, 'manifest.json'), 1e9),
  'weights that are a link out': () => {
    rmSync(path.join(checkpoint, modelFile));
    symlinkSync(path.join(outside, 'secret'), path.join(checkpoint, modelFile));
  },
  'a checkpoint that is a link out': () => link('checkpoints/step-000001', 'folder'),
  'checkpoints that are a link out': () => link('checkpoints', 'folder'),
  'a header that claims 2^63 bytes': () => inCheckpoint(modelFile, Buffer.from('ffffffffffffff7f7b7d', 'hex')),
  'a header that claims a gigabyte': () => inCheckpoint(modelFile, Buffer.from('00ca9a3b000000007b7d', 'hex')),
  'a header of nested lists': () => header(() => `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
  'a header with a shape of a million sizes': () =>
    header((all) => ({ ...all, [first(all)]: { ...all[first(all)], shape: Array(1e6).fill(1) } })),
  'a header with a shape whose product is no number': () =>
    header((all) => ({ ...all, [first(all)]: { ...all[first(all)], shape: Array(40).fill(2 ** 50) } })),
  'a header with offsets that overlap': () =>
    header((all) => {
      const [a, b] = Object.keys(all).filter((name) => name !== '__metadata__');
      all[b].data_offsets = all[a].data_offsets;
      all[b].shape = all[a].shape;
      return all;
    }),
  'a header with negative offsets': () =>
    header((all) => ({ ...all, [first(all)]: { ...all[first(all)], data_offsets: [-8, 0] } })),
  'a header with offsets beyond the end': () =>
    header((all) => ({ ...all, [first(all)]: { ...all[first(all)], data_offsets: [0, 2 ** 52] } })),
  'a header with a tensor called __proto__': () =>
    header((all) => JSON.stringify(all).replace(JSON.stringify(first(all)), '"__proto__"')),
  'a header with a tensor called constructor': () =>
    header((all) => JSON.stringify(all).replace(JSON.stringify(first(all)), '"constructor"')),
  'a header that is a list': () => header(() => []),
  'a header that is null': () => header(() => 'null'),
  'a `latest` that leads out': () => {
    put('checkpoints/latest', '../../../outside/folder\n');
    rmSync(checkpoint, { recursive: true });
  },
  'a `latest` of a gigabyte': () => {
    truncateSync(path.join(run, 'checkpoints', 'latest'), 1e9);
    rmSync(checkpoint, { recursive: true });
  },
  'a step of four hundred digits': () => {
    rmSync(checkpoint, { recursive: true });
    mkdirSync(path.join(run, 'checkpoints', `step-${'9'.repeat(200)}`));
  },
  'a configuration that is a link out': () => link('config.json', 'secret'),
  'a configuration with __proto__': () =>
    put('config.json', '{"__proto__": {"steps": 1}, "constructor": {"prototype": 1}}'),
  'a configuration that is null': () => put('config.json', 'null'),
  'a configuration with checkpoints elsewhere': () => {
    const config = JSON.parse(readFileSync(path.join(run, 'config.json'), 'utf8'));
    put('config.json', JSON.stringify({ ...config, checkpoint: { ...config.checkpoint, directory: outside } }));
    rmSync(checkpoint, { recursive: true });
  },
  'a tokenizer that is a link out': () => link('tokenizer.json', 'secret'),
  'a tokenizer of zeros': () => put('tokenizer.json', new Uint8Array(1e6)),
};

const commands = {
  generate: () => generate(run, { prompt: 'the', tokens: 1, temperature: 0, top_k: 0, seed: 0 }),
  resume: () => work.resume('hostile', ['steps=3']),
  checkpoint: () => explainTarget(run, { checkpoint: 1 }),
};

test.each(Object.entries(cases))('%s', async (title, make) => {
  rmSync(run, { recursive: true, force: true });
  cpSync(work.file('runs', 'good'), run, { recursive: true });
  make();
  const before = folderBytes(outside);
  const errors: (readonly [string, { code?: string; message: string } | null, number])[] = [];
  for (const [name, command] of Object.entries(commands)) {
    const began = performance.now();
    const error = await command().then(
      () => null,
      (e: unknown) => e as Error,
    );
    errors.push([name, error, (performance.now() - began) / 1000]);
  }
  // A checkpoint is explained without a tokenizer, and trained on without one where the data is prepared.
  const needless = title.startsWith('a tokenizer') ? ['checkpoint', 'resume'] : ['checkpoint'];
  for (const [name, error, seconds] of errors) {
    if (error === null && needless.includes(name)) continue;
    expect(error, name).toMatchObject({ code: expect.stringMatching(/^(checkpoint|run|config|data)\//) });
    expect(error!.message, name).not.toContain(secret.slice(0, 12));
    expect(error!.message.length, name).toBeLessThan(3000);
    expect(seconds, name).toBeLessThan(20);
  }
  expect(errors.filter(([, error]) => error !== null).length).toBeGreaterThanOrEqual(3 - needless.length);
  expect(JSON.stringify(await listRuns(work.file('runs')))).not.toContain(secret.slice(0, 12));
  await listRunCheckpoints(run).catch((error: { code?: string }) => expect(error.code).toMatch(/^(run|config)\//));
  expect(folderBytes(outside)).toEqual(before);
  expect(({} as { steps?: number }).steps).toBeUndefined();
});

test('links under the names that a save uses on its way are not followed', async () => {
  rmSync(run, { recursive: true, force: true });
  cpSync(work.file('runs', 'good'), run, { recursive: true });
  const id = readFileSync(path.join(run, 'run_id'), 'utf8').trim();
  for (const name of ['config.json', 'plan.json', 'run.json', 'model.ir', 'summary.json', 'metrics.jsonl'])
    symlinkSync(path.join(outside, 'secret'), path.join(run, `${name}.tmp`));
  symlinkSync(path.join(outside, 'folder'), path.join(run, '.next'));
  for (const name of ['step-000003', 'step-000002'])
    symlinkSync(path.join(outside, 'folder'), path.join(run, 'checkpoints', `${name}.${id}.tmp`));
  symlinkSync(path.join(outside, 'secret'), path.join(run, 'checkpoints', `latest.${id}.tmp`));
  symlinkSync(path.join(outside, 'folder'), path.join(run, 'checkpoints', 'step-000002'));
  const before = folderBytes(outside);
  await work.resume('hostile', ['steps=3', 'checkpoint.every_steps=1', 'checkpoint.keep=1']);
  expect(folderBytes(outside)).toEqual(before);
  const [saved] = await listRunCheckpoints(run);
  expect(saved).toMatchObject({ step: 3, state: 'verified', isLatest: true });
});
