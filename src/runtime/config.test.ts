import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configHash, configText, loadConfig } from './config.js';
import { resolveConfig } from './resolve.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test('a TypeScript file exports a configuration', async () => {
  await file('sizes.ts', 'export const layers: number = 3;\n');
  const path = await file(
    'run.mts',
    `import { layers } from './sizes.ts';
     interface Sizes { layers: number }
     const model: Sizes & { family: 'gpt' } = { family: 'gpt', layers };
     export default { model, steps: 400 };`,
  );
  const { config } = await loadConfig(path, ['steps=500']);
  expect(config).toMatchObject({ model: { layers: 3 }, steps: 500 });
});

test('a resolved configuration, kept as JSON, is read as itself', async () => {
  const { config } = resolveConfig({ steps: 400, plan: { tensor_parallel_size: 2 } });
  const read = await loadConfig(await file('config.json', configText(config)));
  expect(read.config).toEqual(config);
  expect(configHash(read.config)).toBe(configHash(config));
  expect(configHash({ ...config, seed: 1 })).not.toBe(configHash(config));
});

test.each([
  ['missing.ts', null, 'there is no such file'],
  ['broken.json', '{"steps": 1,}', 'it is not JSON'],
  ['broken.ts', 'export default {', 'it fails when run'],
  ['throws.ts', 'throw new Error("no corpus here");', 'no corpus here'],
  ['script.ts', 'export const steps = 1;', 'it has no default export'],
  ['config.yaml', 'steps: 1', "files that end in '.yaml'"],
])('%s is refused', async (name, text, problem) => {
  const path = text === null ? join(folder, name) : await file(name, text);
  await expect(loadConfig(path)).rejects.toMatchObject({
    code: 'runtime/config-unreadable',
    message: expect.stringContaining(problem),
  });
});

test('what is wrong in a file names the file', async () => {
  const path = await file('typo.json', '{"optimizer": {"lrr": 1}}');
  await expect(loadConfig(path)).rejects.toMatchObject({
    code: 'runtime/unknown-option',
    message: expect.stringContaining('typo.json'),
  });
});
