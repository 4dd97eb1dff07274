import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configHash, configText, loadConfig } from './file.js';
import { loadModel } from './load_model.js';
import { withOwnModel } from './own_model.js';
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
    'run.ts',
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
  ['broken.json', '{"steps": 1', 'it is not JSON: close brace expected at line 1, column 12'],
  ['no.json', 'steps: 1', 'it is YAML: call it .yaml'],
  ['twice.json', '{"steps": 1,\n "steps": 2}', "'steps' is written twice, again at line 2, column 2"],
  ['twice.yaml', 'steps: 1\nsteps: 2', 'it is not YAML: Map keys must be unique at line 2, column 1'],
  ['tagged.yaml', 'steps: !!js 1', 'it is not YAML'],
  ['broken.ts', 'export default {', 'it fails when run'],
  ['throws.ts', 'throw new Error("no corpus here");', 'no corpus here'],
  ['script.ts', 'export const steps = 1;', 'it has no default export'],
  ['config.toml', 'steps = 1', "files that end in '.toml'"],
])('%s is refused', async (name, text, problem) => {
  const path = text === null ? join(folder, name) : await file(name, text);
  await expect(loadConfig(path)).rejects.toMatchObject({
    code: 'config/unreadable',
    message: expect.stringContaining(problem),
  });
});

test.each([
  ['commented.json', '\uFEFF{\n  // a first try\n  "steps": 3, /* short */\n  "optimizer": { "lr": 1e-3, },\n}'],
  ['config.jsonc', '{ "steps": 3, "optimizer": { "lr": 0.001 } } // plain'],
  ['config.yaml', '# a first try\nsteps: 3\noptimizer: { lr: 1e-3 }\n'],
  ['json.yml', '{ "steps": 3, "optimizer": { "lr": 1e-3 } }'],
  ['anchors.yaml', 'steps: &three 3\noptimizer:\n  lr: 1e-3\ncheckpoint:\n  keep: *three\n'],
])('%s is read as data', async (name, text) => {
  const { config } = await loadConfig(await file(name, text));
  expect(config).toMatchObject({ steps: 3, optimizer: { lr: 1e-3 } });
});

test('what is wrong in a file names the file', async () => {
  const path = await file('typo.json', '{"optimizer": {"lrr": 1}}');
  await expect(loadConfig(path)).rejects.toMatchObject({
    code: 'config/unknown-option',
    message: expect.stringContaining('typo.json'),
  });
});

const ownModel = (name: string) => `
  import { LanguageModel } from '${new URL('../nn/language_model.ts', import.meta.url).pathname}';
  class ${name} extends LanguageModel<{ context: number; vocab: number; width: number }> { forward(): never { throw 0; } }
  export default { model: new ${name}({ context: 16, vocab: 8192, width: 3 }) };`;

test('a module of your own is built again from the config that built it', async () => {
  const path = await file('own.mts', ownModel('Own'));
  const { config, customModel } = await loadConfig(path);
  expect(config.model).toMatchObject({ family: 'custom', name: 'Own', module: path });
  // As a resume does, from config.json alone.
  const kept = await loadConfig(await file('kept.json', configText(config)), [], { trust_code: true });
  expect(kept.modelFile).toBe(path);
  expect(loadModel(kept, 8192).options).toEqual(customModel!.options);
});

test('a module that is not to be found again is named', async () => {
  const module = await file('renamed.mts', ownModel('Renamed'));
  const model = { family: 'custom' as const, name: 'Own', context: 16, vocab: 8192, options: {} };
  const lost = (where: string | null) =>
    withOwnModel(resolveConfig({ model: { ...model, module: where } }), { trust_code: true }, '');
  await expect(lost(module)).rejects.toThrow("is a Renamed, and the configuration's is a Own");
  await expect(lost(join(folder, 'gone.ts'))).rejects.toThrow('there is no such file');
  await expect(lost(await file('data.json', '{}'))).rejects.toThrow('what it names is no TypeScript file');
  await expect(lost(null)).rejects.toMatchObject({ code: 'config/custom-model-lost' });
});

test('a model of ours is built from its sizes, the vocabulary from the tokenizer', async () => {
  const { config } = resolveConfig({ model: { family: 'gpt', layers: 1 }, data: { tokenizer: { file: 'x.json' } } });
  expect(loadModel({ config, customModel: null }, 777).options).toMatchObject({ layers: 1, vocab: 777 });
});

test('a byte-order mark before a configuration is none of it', async () => {
  const { config } = await loadConfig(await file('marked.json', '\uFEFF{"steps": 3}'));
  expect(config.steps).toBe(3);
});
