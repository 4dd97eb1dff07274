import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { surroundings } from '../../src/cli/surroundings.js';
import { recordTrust, trustFile } from '../../src/config/trusted_modules.js';
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { resumeRun, trainFile, type ResumeSettings } from '../../src/launch/train.js';
import { explanationText } from '../../src/train/explanation_text.js';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
import { Workplace } from './tiny_run.js';

// Runs whose model is code: whose word does it take to execute it?

const work = new Workplace();
afterAll(() => work.remove());

const flotilla = fileURLToPath(new URL('../../src/index.ts', import.meta.url));
const executed = work.file('executed');
let files = 0;

/** A module that notes that it was executed, and exports a model of the class `name`. */
function ownModule(name: string, more = '', file = work.file(`${name}-${files++}.mts`)): string {
  const options = JSON.stringify(work.options('own', { steps: 2 }));
  writeFileSync(
    file,
    `import { writeFileSync } from 'node:fs';
     import { models, train, resume, generate } from ${JSON.stringify(flotilla)};
     writeFileSync(${JSON.stringify(executed)}, 'x');
     class ${name} extends models.GPT {}
     const own = new ${name}({ layers: 1, dim: 8, heads: 2, context: 8, vocab: 270 });
     const options = { ...${options}, model: own };
     ${more || 'export default options;'}`,
  );
  return file;
}

const sampling = { prompt: 'the', tokens: 1, temperature: 0, top_k: 0, seed: 0 };

/** Everything that reads a run, with what it takes to let it execute code. */
const commands: Readonly<Record<string, (run: string, choice: ResumeSettings) => Promise<unknown>>> = {
  generate: (run, { model, trust_code }) => generate(run, { ...sampling, trust_code, model }),
  explain: (run, choice) => explainTarget(run, choice),
  resume: (run, choice) => resumeRun(surroundings, run, { overrides: ['steps=3'], ...choice }),
};
const named = Object.keys(commands);

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error as DiagnosticError,
  );

/** The bytes of every file below a folder. */
const contents = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort()
    .map((file) => [file, readFileSync(file, 'base64')]);

/** A run that somebody else hands over: a copy of ours whose model is their code. */
function theirs(module: string, name = 'Own'): string {
  const run = work.file('runs', `theirs ${files++}`);
  cpSync(work.file('runs', 'own'), run, { recursive: true });
  const config = JSON.parse(readFileSync(`${run}/config.json`, 'utf8'));
  const model = { family: 'custom', name, module, context: 8, vocab: 270, options: {} };
  writeFileSync(`${run}/config.json`, JSON.stringify({ ...config, model }));
  rmSync(executed, { force: true });
  return run;
}

let ours: string;
beforeAll(async () => {
  ours = ownModule('Own');
  await trainFile(surroundings, ours);
});

test.each(named)('%s goes on without a question with a run that this user has trained', async (command) => {
  await commands[command](theirs(ours), {});
});

test.each(named)('%s executes nothing that somebody else’s run names, and changes nothing', async (command) => {
  for (const module of ['./theirs.mts', work.file('theirs.mts')]) {
    const run = theirs(module);
    ownModule('Own', '', module.startsWith('.') ? `${run}/theirs.mts` : module);
    const before = contents(run);
    const error = await refusal(commands[command](run, {}));
    expect(error).toMatchObject({ code: 'config/code-not-trusted' });
    expect(error!.message).toMatch(/theirs\.mts.*--model .*theirs\.mts.*--trust-code/s);
    expect(existsSync(executed)).toBe(false);
    expect(contents(run)).toEqual(before);
  }
});

test.each(named)('%s executes it on the user’s word', async (command) => {
  const module = ownModule('Own', 'export const model = own;');
  await commands[command](theirs(module), { model: module });
  expect(existsSync(executed)).toBe(true);
  // What is given by hand is not what the folder names.
  await commands[command](theirs('./gone.mts'), { model: module });
  const other = ownModule('Own', 'export default own;');
  await commands[command](theirs(other), { trust_code: true });
});

test('a module that has changed is another, and so is one whose import has', async () => {
  const part = work.file('part.mts');
  writeFileSync(part, 'export const layers = 1;');
  const module = ownModule(
    'Own',
    `import { layers } from './part.mjs'; console.assert(layers); export default options;`,
  );
  recordTrust(module);
  const run = theirs(module);
  await commands.explain(run, {});
  appendFileSync(part, '// more');
  expect(await refusal(commands.explain(run, {}))).toMatchObject({ code: 'config/code-not-trusted' });
  recordTrust(module);
  await commands.explain(run, {});
  appendFileSync(module, '// more');
  expect(await refusal(commands.explain(run, {}))).toMatchObject({ code: 'config/code-not-trusted' });
});

test('a record that cannot be read vouches for nothing, and does not end a run', async () => {
  const before = readFileSync(trustFile(), 'utf8');
  for (const text of ['', '{', '[]', '{"flotilla_trusted":1,"modules":{"__proto__":[]}}', '['.repeat(1e5)]) {
    writeFileSync(trustFile(), text);
    expect(await refusal(commands.explain(theirs(ours), {}))).toMatchObject({ code: 'config/code-not-trusted' });
  }
  writeFileSync(trustFile(), before);
});

test('a model of another class than the run’s is refused', async () => {
  const module = ownModule('Other');
  for (const command of named) {
    const error = await refusal(commands[command](theirs(ours), { model: module }));
    expect(error).toMatchObject({ code: 'config/custom-model-lost' });
    expect(error!.message).toContain('is a Other');
  }
});

test.each([
  ['options', '', '{ ...own.options, heads: 4 }'],
  ['what it computes', 'const { forward } = models.GPT.prototype;', 'own.options'],
])('explain says what resume and generate refuse of an edited model: %s', async (_, edit, options) => {
  const changed = edit && `${edit} Own.prototype.forward = function (t) { return forward.call(this, t).mul(2); };`;
  const module = ownModule('Own', `${changed} export const model = new Own(${options});`);
  const run = theirs(ours);
  const error = await refusal(commands.generate(run, { model: module }));
  expect(error).toMatchObject({ code: 'run/model-differs' });
  expect(await refusal(commands.resume(run, { model: module }))).toMatchObject({ code: 'run/model-differs' });
  const differences = /trained: (.*) \[run/.exec(error!.message)![1];
  const explanation = await explainTarget(run, { model: module });
  expect(explanationText(explanation)).toContain(`refused by resume and generate: ${differences}`);
  expect((await explainTarget(run)).modelDifferences).toEqual([]);
});

test.each([
  ['a JSON configuration', { family: 'custom', name: 'Own', context: 8, vocab: 270 }],
  ['one with another field', { family: 'custom', name: 'Own', context: 8, vocab: 270, options: { layers: 1 } }],
])('%s that names a module is asked about, too', async (_, model) => {
  const module = ownModule('Own');
  const config = work.file(`config-${files++}.json`);
  writeFileSync(config, JSON.stringify({ ...work.options(`json ${files}`), model: { ...model, module } }));
  rmSync(executed, { force: true });
  expect(await refusal(trainFile(surroundings, config))).toMatchObject({ code: 'config/code-not-trusted' });
  expect(await refusal(explainTarget(config))).toMatchObject({ code: 'config/code-not-trusted' });
  expect(existsSync(executed)).toBe(false);
  await trainFile(surroundings, config, { trust_code: true, overrides: ['steps=1'] });
  // Trained with now.
  await explainTarget(config);
});

test.each([
  ['awaited', `await train(options);`],
  ['not awaited', `train(options);`],
  ['by a function that nobody awaits', `async function main() { await train(options); } main();`],
  ['with a default export', `export default options; await train(options).catch(() => {});`],
  ['resume', `await resume('runs/own', { model: own });`],
  ['generate', `await generate('runs/own', { prompt: '', tokens: 1, temperature: 0, top_k: 0, seed: 0 });`],
])('a file that calls the library itself is no configuration: %s', async (_, text) => {
  const file = ownModule('Own', text);
  expect(await refusal(trainFile(surroundings, file))).toMatchObject({ code: 'config/called-while-imported' });
  expect(await refusal(explainTarget(file))).toMatchObject({ code: 'config/called-while-imported' });
});

test.each([
  ['that is not there', () => work.file('nosuch.ts'), 'there is no such file'],
  ['that is no module', () => work.file('corpus', '0.txt'), 'it is no TypeScript file'],
  ['that fails', () => ownModule('Own', 'throw new Error("no corpus here");'), 'no corpus here'],
])('a --model %s is said to be no model’s file, not a configuration', async (_, file, why) => {
  for (const command of named) {
    const error = await refusal(commands[command](theirs('./gone.mts'), { model: file() }));
    expect(error).toMatchObject({ code: 'config/no-model-exported' });
    expect(error!.message).toContain(why);
    expect(error!.message).not.toMatch(/configuration|options of train/);
  }
});

test('a file without a default export, or that fails, is none either; a call after its import is refused when it comes', async () => {
  const unreadable = { code: 'config/unreadable' };
  expect(await refusal(trainFile(surroundings, ownModule('Own', 'export const model = own;')))).toMatchObject(
    unreadable,
  );
  expect(await refusal(trainFile(surroundings, ownModule('Own', 'throw new Error("no corpus here");')))).toMatchObject(
    unreadable,
  );
  const told = work.file('late');
  const late = ownModule(
    'Own',
    `setTimeout(() => train(options).catch((error) => writeFileSync(${JSON.stringify(told)}, error.code)), 50);
     export default { ...options, logging: { ...options.logging, name: 'late' } };`,
  );
  await trainFile(surroundings, late);
  expect(readFileSync(told, 'utf8')).toBe('config/called-while-imported');
});

test('the script that trained a model gives it to the commands, and trains nothing then', async () => {
  const script = ownModule('Own', `const { summary } = await train(options); console.log(summary);`);
  for (const command of named) await commands[command](theirs('./gone.mts'), { model: script });
});
