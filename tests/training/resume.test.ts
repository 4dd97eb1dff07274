/** A run goes on as itself: whatever has become of its text, wherever it is resumed from; what would make it another is refused. */
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { surroundings } from '../../src/cli/surroundings.js';
import type { TrainOptions } from '../../src/config/schema.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { resumeRun, trainFile } from '../../src/launch/train.js';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
import type { TrainEvent } from '../../src/train/events.js';
import { folderBytes } from './folder_bytes.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
const home = process.cwd();
/** Losses of four steps that nothing disturbed. */
let straight: readonly number[];

beforeAll(async () => {
  await work.train('straight', { steps: 4 });
  straight = work.losses('straight');
});
afterEach(() => process.chdir(home));
afterAll(() => work.remove());

const warnings = (events: readonly TrainEvent[]) => events.filter((event) => event.kind === 'warning');
const warning = (events: readonly TrainEvent[], code: string) =>
  warnings(events).find((event) => event.code === code)?.message;

/** Resumes what must be refused; gives the error, having checked that the run's folder has not changed by a byte. */
async function refused(name: string, overrides: readonly string[] = []): Promise<DiagnosticError> {
  const before = folderBytes(work.file('runs', name));
  const error = await work.resume(name, overrides).then(
    () => null,
    (e: unknown) => e as DiagnosticError,
  );
  expect(error?.name, error?.message).toBe('DiagnosticError');
  expect(folderBytes(work.file('runs', name))).toEqual(before);
  return error!;
}

/** A copy of the text, under the name that the files are known by: what one test edits is not what another reads. */
function ownText(place: string, more: object = {}): TrainOptions {
  cpSync(work.file('corpus'), work.file(place, 'corpus'), { recursive: true });
  return { steps: 2, data: { paths: [work.file(place, 'corpus')], ...more } };
}

test('text that was edited, added or taken away does not reach a run that goes on, and is named', async () => {
  await work.train('edited', ownText('text'));
  const tokenizer = readFileSync(work.file('runs', 'edited', 'tokenizer.json'), 'utf8');
  writeFileSync(work.file('text', 'corpus', 'new.txt'), 'zephyr quartz vixen glyph jumping lynx box\n'.repeat(60));
  writeFileSync(work.file('text', 'corpus', '3.txt'), 'another text altogether\n');
  rmSync(work.file('text', 'corpus', '5.txt'));
  const { events } = await work.resume('edited', ['steps=4']);
  expect(work.losses('edited')).toEqual(straight);
  expect(readFileSync(work.file('runs', 'edited', 'tokenizer.json'), 'utf8')).toBe(tokenizer);
  const message = warning(events, 'run/sources-changed');
  for (const change of ['corpus/new.txt added', 'corpus/3.txt edited', 'corpus/5.txt gone'])
    expect(message).toContain(change);
});

test('text that is gone altogether is said, and not needed', async () => {
  await work.train('gone', ownText('text gone'));
  rmSync(work.file('text gone'), { recursive: true });
  const { events } = await work.resume('gone', ['steps=4']);
  expect(work.losses('gone')).toEqual(straight);
  expect(warning(events, 'run/sources-changed')).toContain('cannot be read any more');
});

test('a run means the same from any directory, also where folders of the same names are there', async () => {
  process.chdir(work.folder);
  const relative: TrainOptions = {
    data: { paths: ['corpus'], cache: 'cache' },
    checkpoint: { directory: 'saved', every_steps: null },
    logging: { directory: 'runs', name: 'relative' },
  };
  await work.train('relative', { steps: 2, ...relative });
  mkdirSync(work.file('elsewhere', 'corpus'), { recursive: true });
  mkdirSync(work.file('elsewhere', 'saved'));
  writeFileSync(work.file('elsewhere', 'corpus', 'a.txt'), 'not the text of the run\n'.repeat(200));
  process.chdir(work.file('elsewhere'));
  const { events } = await work.resume('relative', ['steps=4']);
  expect(work.losses('relative')).toEqual(straight);
  expect(warnings(events).map(({ code }) => code)).toEqual(['run/schedule-changed']);
  expect(folderBytes(work.file('elsewhere'))).toEqual({
    corpus: 'folder',
    'corpus/a.txt': expect.any(String),
    saved: 'folder',
  });
});

test('a run whose folder was moved goes on there', async () => {
  await work.train('before the move', { steps: 2 });
  renameSync(work.file('runs', 'before the move'), work.file('runs', 'moved'));
  const { summary } = await work.resume('moved', ['steps=4']);
  expect(work.losses('moved')).toEqual(straight);
  expect(summary).toMatchObject({ name: 'moved', steps: 4 });
});

test('prepared data that is gone is made again where the text still gives it, and else refused with the two ways on', async () => {
  await work.train('remade', ownText('text remade', { cache: work.file('own') }));
  rmSync(work.file('own'), { recursive: true });
  const { events } = await work.resume('remade', ['steps=3']);
  expect(work.losses('remade')).toEqual(straight.slice(0, 3));
  expect(warning(events, 'run/data-made-again')).toBeDefined();
  rmSync(work.file('own'), { recursive: true });
  writeFileSync(work.file('text remade', 'corpus', '3.txt'), 'another text altogether\n');
  const error = await refused('remade', ['steps=4']);
  expect(error.code).toBe('run/data-gone');
  expect(error.message).toContain('corpus/3.txt edited');
  expect(error.message).toContain('initial_load_path');
});

test('another text, tokenizer, limit, split or order is another run', async () => {
  await work.train('kept', { steps: 2 });
  mkdirSync(work.file('other'));
  writeFileSync(work.file('other', 'a.txt'), 'a text of other words\n'.repeat(200));
  const asked = {
    'data.validation_fraction': 0.3,
    'data.max_bytes': 5000,
    'data.tokenizer.min_frequency': 40,
    'data.paths': JSON.stringify([work.file('other')]),
    'data.tokenizer.file': work.file('runs', 'kept', 'tokenizer.json'),
    'data.seed': 7,
    'model.context': 4,
  };
  for (const [field, value] of Object.entries(asked)) {
    const error = await refused('kept', ['steps=4', `${field}=${value}`]);
    expect(error.code, error.message).toBe('run/data-differs');
    expect(error.message).toContain(`${field} is `);
    expect(error.message).toContain('initial_load_path');
  }
  expect((await refused('kept', ['steps=4', 'data.paths=["nowhere"]'])).code).toBe('data/not-found');
  // A limit that nothing reaches, and the same text at another place, change nothing.
  cpSync(work.file('corpus'), work.file('copy', 'corpus'), { recursive: true });
  const paths = JSON.stringify([work.file('copy', 'corpus')]);
  const { events } = await work.resume('kept', ['steps=4', 'data.max_bytes=1000000', `data.paths=${paths}`]);
  expect(work.losses('kept')).toEqual(straight);
  expect(warnings(events).map(({ code }) => code)).toEqual(['run/schedule-changed']);
});

test('a package that was upgraded does not change a run on the default corpus', async () => {
  const root = work.file('project');
  const source = (version: number) =>
    Array.from({ length: 300 }, (_, i) => `export const a${(i * version) % 7} = ${i % 9};\n`).join('');
  for (const name of ['a', 'b', 'c', 'd']) mkdirSync(`${root}/node_modules/${name}`, { recursive: true });
  for (const name of ['a', 'b', 'c', 'd'])
    writeFileSync(`${root}/node_modules/${name}/index.ts`, source(name.charCodeAt(0)));
  process.chdir(root);
  await work.train('installed straight', { steps: 4, data: { paths: null } });
  await work.train('installed', { steps: 2, data: { paths: null } });
  writeFileSync(`${root}/node_modules/b/index.ts`, source(1));
  process.chdir(home);
  const { events } = await work.resume('installed', ['steps=4']);
  expect(work.losses('installed')).toEqual(work.losses('installed straight'));
  expect(warning(events, 'run/sources-changed')).toContain('node_modules/b/index.ts edited');
});

test('a model that is not the run’s is refused with what differs, though its weights would load', async () => {
  const gpt = { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8, vocab: 270 } as const;
  await work.train('gpt', { steps: 2, model: gpt });
  for (const change of ['heads=4', 'dropout=0.1', 'layers=2']) {
    const error = await refused('gpt', ['steps=4', `model.${change}`]);
    expect(error.code).toBe('run/model-differs');
    expect(error.message).toContain(`model.${change.replace('=', ' is ')}`);
    // Offered where it would help: other shapes take no word.
    expect(error.message.includes('--accept-model-change')).toBe(change !== 'layers=2');
  }
  await work.train('llama', { steps: 2, model: { ...gpt, family: 'llama', dim: 16, kv_heads: 1 } });
  for (const change of ['rope_base=500000', 'eps=0.01', 'heads=4']) {
    expect((await refused('llama', ['steps=4', `model.${change}`])).message).toContain(
      `model.${change.split('=')[0]} is`,
    );
  }
  // Sampling from it would be nonsense too.
  const config = work.file('runs', 'llama', 'config.json');
  writeFileSync(config, readFileSync(config, 'utf8').replace('"rope_base": 10000', '"rope_base": 500000'));
  const sampling = { prompt: 'the', tokens: 1, temperature: 0, top_k: 0, seed: 0 };
  await expect(generate(work.file('runs', 'llama'), sampling)).rejects.toMatchObject({ code: 'run/model-differs' });
  await generate(work.file('runs', 'llama'), { ...sampling, accept_model_change: true });
  // Where other weights are needed, no word helps.
  const settings = { overrides: ['steps=4', 'model.layers=2'], accept_model_change: true };
  const before = folderBytes(work.file('runs', 'gpt'));
  const resumed = resumeRun(surroundings, work.file('runs', 'gpt'), settings);
  await expect(resumed).rejects.toMatchObject({ code: 'checkpoint/tensors-differ' });
  expect(folderBytes(work.file('runs', 'gpt'))).toEqual(before);
  // Once accepted, the change is the run's.
  const accepted = { overrides: ['steps=3', 'model.dropout=0.1'], accept_model_change: true };
  await resumeRun(surroundings, work.file('runs', 'gpt'), accepted);
  const { summary } = await work.resume('gpt', ['steps=4']);
  expect(summary.steps).toBe(4);
});

test('an own model whose TypeScript was edited is refused by what it computes, and a comment is no edit', async () => {
  const file = work.file('own.ts');
  const source = (activation: string, comment = '') => `
import { models, nn } from '${home}/src/index.ts';
${comment}
class Own extends models.GPT {
  forward(tokens) { return super.forward(tokens).${activation}; }
}
export default {
  ...${JSON.stringify(work.options('own', { steps: 2 }))},
  model: new Own({ layers: 1, dim: 8, heads: 2, context: 8, vocab: 270 }),
};`;
  writeFileSync(file, source('mul(1)'));
  await trainFile(surroundings, file);
  writeFileSync(file, source('mul(1)', '// The same, in other words.'));
  await refusedOrDone('own', file, 'done');
  writeFileSync(file, source('mul(2)'));
  await refusedOrDone('own', file, 'run/model-differs');
});

/** Modules are kept by their path: an edit is seen by a process of its own, which a copy under another name stands for here. */
async function refusedOrDone(name: string, file: string, expected: string): Promise<void> {
  const config = work.file('runs', name, 'config.json');
  const copy = file.replace('.ts', `.${Date.now()}.ts`);
  writeFileSync(copy, readFileSync(file));
  const { steps, ...fields } = JSON.parse(readFileSync(config, 'utf8'));
  writeFileSync(config, JSON.stringify({ ...fields, steps: steps + 1, model: { ...fields.model, module: copy } }));
  const again = resumeRun(surroundings, work.file('runs', name), { trust_code: true });
  if (expected === 'done') return void (await again);
  const error = await again.then(
    () => null,
    (e: unknown) => e as DiagnosticError,
  );
  expect(error?.code).toBe(expected);
  expect(error?.message).toContain('what it computes');
}

test('a longer run says what happens to the learning rate', async () => {
  const cosine = { lr: 1e-2, warmup_steps: 0, decay_steps: null, schedule: 'cosine' } as const;
  await work.train('longer', { steps: 2, optimizer: cosine });
  const message = warning((await work.resume('longer', ['steps=4'])).events, 'run/schedule-changed');
  // Half of the cosine is left of four steps after two; of two steps, the floor.
  expect(message).toContain('now ends after step 4 (it was to end after 2)');
  expect(message).toContain('the next step has 0.0055 where it would have had 0.001');
  await work.train('constant', { steps: 2, optimizer: { ...cosine, schedule: 'constant' } });
  const same = warning((await work.resume('constant', ['steps=3'])).events, 'run/schedule-changed');
  expect(same).toContain('goes on at 0.01');
  await work.train('decayed', { steps: 2, optimizer: { ...cosine, decay_steps: 3 } });
  const fixed = warning((await work.resume('decayed', ['steps=3'])).events, 'run/schedule-changed');
  expect(fixed).toContain('until step 3 (optimizer.decay_steps), whatever the length');
});

test('another batch goes on at the right sample, and says what cannot be as it would have been', async () => {
  const model = { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8, dropout: 0.1 } as const;
  await work.train('batch', { steps: 3, model });
  const { events, summary } = await work.resume('batch', ['steps=5', 'batch.sequences=6', 'batch.microbatch=3']);
  const message = warning(events, 'run/batch-changed');
  expect(message).toContain('steps of 6 sequences in place of 4, microbatches of 3 in place of 1');
  expect(message).toContain('goes on at sequence 12 of the order');
  expect(message).toContain('the masks of dropout');
  expect(summary.tokens).toBe((3 * 4 + 2 * 6) * 8);
  const manifest = JSON.parse(readFileSync(`${work.checkpoint('batch', 5)}/manifest.json`, 'utf8'));
  expect(manifest).toMatchObject({ samples_seen: 24, tokens_seen: 192 });
  const { events: seeded } = await work.resume('batch', ['steps=6', 'seed=4']);
  expect(warning(seeded, 'run/seed-changed')).toContain('dropout draws by seed 4 in place of 0');
});

test('a new run from the weights of another begins at step 0, with its parameters and nothing else of it', async () => {
  await work.train('first', { steps: 3 });
  // A learning rate of nothing leaves the weights as they are.
  const still = { lr: 1e-30, warmup_steps: 0, schedule: 'constant' } as const;
  for (const [name, path] of Object.entries({ run: work.file('runs', 'first'), one: work.checkpoint('first', 3) })) {
    const { events, summary } = await work.train(name, {
      steps: 1,
      optimizer: still,
      checkpoint: { every_steps: null, initial_load_path: path },
    });
    expect(warnings(events)).toEqual([]);
    expect(summary).toMatchObject({ steps: 1, tokens: 4 * 8 });
    const [theirs, ours] = [work.tensorHashes('first', 3), work.tensorHashes(name, 1)];
    for (const [tensor, hash] of Object.entries(theirs)) {
      if (tensor.startsWith('optimizer.')) expect(ours[tensor], tensor).not.toBe(hash);
      else expect(ours[tensor], tensor).toBe(hash);
    }
    const kept = JSON.parse(readFileSync(work.file('runs', name, 'config.json'), 'utf8'));
    expect(kept.checkpoint.initial_load_path).toBe(work.checkpoint('first', 3));
    await work.resume(name, ['steps=2']);
  }
  const initial = { every_steps: null, initial_load_path: work.file('runs', 'first') };
  const wider = { family: 'gpt', layers: 1, dim: 16, heads: 2, context: 8 } as const;
  const differs = work.train('wider', { steps: 1, model: wider, checkpoint: initial });
  await expect(differs).rejects.toMatchObject({ code: 'checkpoint/tensors-differ' });
  const nothing = work.train('nothing', { steps: 1, checkpoint: { ...initial, initial_load_path: work.file('runs') } });
  await expect(nothing).rejects.toMatchObject({ code: 'checkpoint/none-found' });
  // Nothing will come there by waiting.
  await expect(nothing).rejects.toThrow(
    /no checkpoint in .*runs[\s\S]*fix +set checkpoint.initial_load_path to a run folder/,
  );
  const mistyped = { ...initial, initial_load_path: work.file('runs', 'fist') };
  await expect(work.train('nothing', { steps: 1, checkpoint: mistyped })).rejects.toThrow(
    /there is no folder [\s\S]*did you mean '.*runs\/first'/,
  );
  const other = await work.train('other tokenizer', {
    steps: 1,
    checkpoint: initial,
    data: { validation_fraction: 0.4 },
  });
  expect(warning(other.events, 'run/tokenizers-differ')).toContain(work.file('runs', 'first', 'tokenizer.json'));
  const error = await refused('run', ['steps=4', `checkpoint.initial_load_path=${work.checkpoint('run', 2)}`]);
  expect(error.code).toBe('run/has-weights');
});

test('a run of a version that kept no more than its data and length goes on', async () => {
  await work.train('earlier', { steps: 2 });
  const file = work.file('runs', 'earlier', 'run.json');
  const { data, steps } = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ data: data.folder, dataKey: data.key, steps }));
  rmSync(work.file('runs', 'earlier', 'sources.json'));
  rmSync(work.file('runs', 'earlier', 'model.ir'));
  expect((await refused('earlier', ['steps=4', 'model.heads=4'])).code).toBe('run/model-differs');
  expect((await refused('earlier', ['steps=4', 'data.validation_fraction=0.3'])).code).toBe('run/data-differs');
  await work.resume('earlier', ['steps=4']);
  expect(work.losses('earlier')).toEqual(straight);
});

test('a plan file is the run’s own copy, whatever has become of the file', async () => {
  const file = work.file('plan.json');
  writeFileSync(file, readFileSync(work.file('runs', 'straight', 'plan.json')));
  await work.train('planned', { steps: 2, plan: file });
  rmSync(file);
  expect((await refused('planned', ['steps=4', 'batch.sequences=8'])).code).toBe('plan/contradicts-config');
  await work.resume('planned', ['steps=4']);
  expect(work.losses('planned')).toEqual(straight);
});

test('what else a resume refuses leaves the folder as it was', async () => {
  await work.train('whole', { steps: 2 });
  expect((await refused('whole')).code).toBe('run/completed');
  expect((await refused('whole', ['steps=null', 'minutes=1'])).code).toBe('run/length-decided');
  expect((await refused('whole', ['steps=4', 'batch.sequences=4000'])).code).toBe('data/shorter-than-one-batch');
  expect((await refused('whole', ['steps=4', 'batch.microbatch=3'])).code).toBe('config/option-conflict');
  expect((await refused('whole', ['steps=4', 'plan=none.json'])).code).toBe('config/unreadable');
  expect((await refused('whole', ['steps=4', 'ranks=4', 'plan.tensor_parallel_size=4'])).code).toMatch(/^plan\//);
  const record = work.file('runs', 'whole', 'run.json');
  const { order, ...rest } = JSON.parse(readFileSync(record, 'utf8'));
  expect(order).toEqual({ seed: 0, context: 8 });
  writeFileSync(record, JSON.stringify(rest));
  expect((await refused('whole', ['steps=4'])).code).toBe('run/record-invalid');
});

test('a length that is reached says where the run is, and the fix it gives goes on', async () => {
  await work.train('reached', { steps: 3 });
  for (const steps of [1, 2, 3]) {
    const { message } = await refused('reached', [`steps=${steps}`]);
    expect(message).toContain('step 3');
    expect(message).toContain(steps === 3 ? 'completed its 3 steps' : `is to have ${steps} steps`);
    const { 1: fix } = /--steps (\d+)`/.exec(message)!;
    expect(Number(fix)).toBe(6);
  }
  expect((await work.resume('reached', ['steps=6'])).complete).toBe(true);
});

test('what was decided when the run began is refused under another value, and taken under its own', async () => {
  await work.train('begun', { steps: 2, checkpoint: { initial_load_path: work.file('runs', 'straight') } });
  for (const change of [
    'logging.name=zzz',
    `logging.directory=${work.file('zzz')}`,
    'checkpoint.initial_load_path=null',
  ]) {
    const error = await refused('begun', ['steps=4', change]);
    expect(error.code).toBe('run/option-fixed');
    expect(error.message).toContain(change.split('=')[0]);
  }
  const own = ['logging.name=begun', `logging.directory=${work.file('runs')}`];
  expect((await work.resume('begun', ['steps=3', ...own])).complete).toBe(true);
  // A folder that was moved has a new name: the run's is that.
  renameSync(work.file('runs', 'begun'), work.file('moved to here'));
  const there = work.file('moved to here');
  await resumeRun(surroundings, there, { overrides: ['steps=4'] });
  await resumeRun(surroundings, there, { overrides: ['steps=5', 'logging.name=moved to here'] });
  const old = resumeRun(surroundings, there, { overrides: ['steps=6', 'logging.name=begun'] });
  await expect(old).rejects.toMatchObject({ code: 'run/option-fixed' });
});

test('a checkpoint is named by its step, its folder or as the latest; of a damaged one the fix names another', async () => {
  await work.train('named', { steps: 3, checkpoint: { every_steps: 1, keep: null } });
  const run = work.file('runs', 'named');
  const sampling = { prompt: 'the', tokens: 4, temperature: 0, top_k: 0, seed: 0 };
  const steps = [2, '2', '000002', 'step-000002', 'latest', null];
  const at = await Promise.all(
    steps.map(async (checkpoint) => (await explainTarget(run, { checkpoint })).checkpoint?.step),
  );
  expect(at).toEqual([2, 2, 2, 2, 3, undefined]);
  expect(await generate(run, { ...sampling, checkpoint: 'latest' })).toBe(await generate(run, sampling));
  expect(await generate(run, { ...sampling, checkpoint: 'step-000001' })).toBe(
    await generate(run, { ...sampling, checkpoint: 1 }),
  );
  writeFileSync(`${work.checkpoint('named', 3)}/model.safetensors`, 'x');
  const { message } = await refused('named', ['steps=4']);
  expect(message).toContain('`--checkpoint 2`');
  const { events } = await work.resume('named', ['steps=4'], { checkpoint: 'step-000002' });
  expect(events.find(({ kind }) => kind === 'started')).toMatchObject({ resumedFrom: 2 });
});

test('what fails before the first step, after all checks, leaves the folder as it was too', async () => {
  await work.train('late', { steps: 2 });
  const before = folderBytes(work.file('runs', 'late'));
  const failing = {
    ...surroundings,
    record: () => {
      throw new Error('no memory for the program');
    },
  };
  const resumed = resumeRun(failing, work.file('runs', 'late'), { overrides: ['steps=4'] });
  await expect(resumed).rejects.toThrow('no memory');
  expect(folderBytes(work.file('runs', 'late'))).toEqual(before);
});
