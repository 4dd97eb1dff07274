import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { surroundings } from '../../src/cli/surroundings.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { asOrdinaryUser } from '../../src/data/testing/other_user.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { resumeRun, trainFile } from '../../src/launch/train.js';
import { summaryFile } from '../../src/observe/index.js';
import { listRunCheckpoints } from '../../src/run/list_checkpoints.js';
import { listRuns } from '../../src/run/list_runs.js';
import { explainTarget } from '../../src/train/explain_target.js';
import { generate } from '../../src/train/generate.js';
import { Workplace } from './tiny_run.js';

// Every place that takes a path, given every kind of path that leads to nothing good, as a user whom permissions stop: an error with a
// code and in words, in a moment, and nothing is left behind.

const work = new Workplace();
const at = (...names: readonly string[]) => work.file('broken', ...names);
const socket = net.createServer();
const run = work.file('runs', 'good');

/** Kinds of broken paths; `end`: what the name ends with, where that says how it is read. */
const broken: Readonly<Record<string, (end: string) => string>> = {
  'nothing there': (end) => at(`none${end}`),
  'an empty name': (end) => end,
  'a link to nothing': (end) => at(`dangling${end}`),
  'a link to itself': (end) => at(`loop${end}`),
  'below a link to itself': (end) => at('loop', `x${end}`),
  'below a file': (end) => at('file', `x${end}`),
  'below a link to a file': (end) => at('link', 'x', `y${end}`),
  'a file of two bytes': (end) => at(`file${end}`),
  'an empty file': (end) => at(`empty${end}`),
  'an empty folder': (end) => at(`folder${end}`),
  'a name of 300 letters': (end) => at('n'.repeat(300) + end),
  'a path of 6,000 letters': (end) => at(...Array<string>(60).fill('p'.repeat(100)), end),
  'a zero byte': (end) => `${at('file')}\0x${end}`,
  'a line end and quotes': (end) => at(`a\n"b' c${end}`),
  'a pipe': (end) => at(`pipe${end}`),
  'below a pipe': (end) => at('pipe', `x${end}`),
  'a socket': (end) => at(`socket${end}`),
  'a device without end': (end) => (end === '' ? '/dev/zero' : at(`device${end}`)),
  'a device that is always full': () => '/dev/full',
  'where the system makes no files': (end) => `/proc/flotilla/x${end}`,
  'the root': () => '/',
  'what this user may not see': (end) => at('closed', `file${end}`),
  'what this user may not read': (end) => at(`secret${end}`),
  'a folder that this user may not enter': () => at('closed'),
};

const ends = ['', '.json', '.ts'];

beforeAll(async () => {
  await work.train('good', { steps: 1 });
  for (const folder of ['', 'closed', ...ends.map((end) => `folder${end}`)]) mkdirSync(at(folder));
  for (const end of ends) {
    for (const [name, content] of [
      ['file', 'x\n'],
      ['empty', ''],
      ['closed/file', 'x\n'],
      ['secret', 'x\n'],
    ])
      writeFileSync(at(name + end), content);
    for (const [name, to] of [
      ['dangling', 'gone'],
      ['loop', `loop${end}`],
      ['link', 'file'],
      ['device', '/dev/zero'],
    ])
      symlinkSync(to, at(name + end));
    execFileSync('mkfifo', [at(`pipe${end}`)]);
  }
  await new Promise<void>((resolve) => socket.listen(at('socket'), resolve));
  for (const end of ['.json', '.ts']) symlinkSync('socket', at(`socket${end}`));
  execFileSync('chmod', ['-R', 'a+rwX', work.folder]);
  for (const file of ['closed', ...ends.map((end) => `secret${end}`)]) chmodSync(at(file), 0);
  for (const end of ends) chmodSync(at(`folder${end}`), 0o555);
});
afterAll(() => {
  socket.close();
  work.remove();
});

const train = (options: TrainOptions) => work.train('swept', { steps: 1, ...options });

interface Place {
  readonly use: (path: string) => unknown;
  readonly end?: '.json' | '.ts';
  /** What is found there is run: by loaders that are files of this checkout, which may lie where no ordinary user can read. */
  readonly runs?: true;
  /** Kinds of paths that are good enough there. */
  readonly works?: RegExp;
}

const newFolder = /^(nothing there|a line end and quotes)$/;

const places: Readonly<Record<string, Place>> = {
  'data.paths': { use: (path) => train({ data: { paths: [path] } }) },
  'data.tokenizer.file': { use: (path) => train({ data: { tokenizer: { file: path } } }) },
  'data.cache': { use: (path) => train({ data: { cache: path } }), works: newFolder },
  'a plan': { use: (path) => train({ plan: path }) },
  'logging.directory': {
    use: (path) => train({ logging: { directory: path, name: 'swept' } }),
    works: newFolder,
  },
  'checkpoint.directory': { use: (path) => train({ checkpoint: { directory: path } }), works: newFolder },
  'checkpoint.initial_load_path': { use: (path) => train({ checkpoint: { initial_load_path: path } }) },
  'a configuration': { use: (path) => trainFile(surroundings, path) },
  'a configuration in JSON': { use: (path) => trainFile(surroundings, path), end: '.json' },
  'a configuration in TypeScript': { use: (path) => trainFile(surroundings, path), end: '.ts', runs: true },
  '--json': { use: summaryFile, works: /^(nothing there|a line end and quotes|a (file|device) .*|an empty file)$/ },
  'resume RUN': { use: (path) => resumeRun(surroundings, path) },
  'resume --model': {
    use: (model) => resumeRun(surroundings, run, { model, overrides: ['steps=2'] }),
    end: '.ts',
    runs: true,
  },
  'generate RUN': { use: (path) => generate(path, { tokens: 1 }) },
  'explain RUN': { use: (path) => explainTarget(path) },
  'explain --plan': { use: (planFile) => explainTarget(run, { planFile }) },
  runs: { use: listRuns },
  'checkpoints RUN': { use: listRunCheckpoints },
};

/** Every file below a folder, with its size. What is prepared stays prepared: the data cache is left out, but for what is half made. */
function tree(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const file = path.join(folder, name);
    const status = lstatSync(file);
    if (path.dirname(file) === work.file('cache', 'data') && !name.startsWith('.')) return [];
    return status.isDirectory() ? [file, ...tree(file)] : [`${file} ${status.size}`];
  });
}

/** The error that `work` ends with; null where it ends well. Fails the test where it is bare, takes long, or leaves something. */
async function told(use: () => unknown, asUser = asOrdinaryUser): Promise<DiagnosticError | null> {
  const before = tree(work.folder);
  const began = performance.now();
  const error = await asUser(async () => use()).then(
    () => null,
    (error: unknown) => error,
  );
  if (error === null) return null;
  if (!(error instanceof DiagnosticError)) throw error;
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(error.diagnostic.fix).not.toBe('');
  // The words of Node are for those who write programs.
  expect(error.message).not.toMatch(
    /, (open|stat|lstat|mkdir|scandir|access|read|write|unlink|rename|rm) '|null bytes/,
  );
  // Of what is given, and not of the program that this user cannot read: a test worker remembers a module that was not found.
  expect(error.message).not.toMatch(/node_modules/);
  expect(tree(work.folder)).toEqual(before);
  return error;
}

const asWhoTests: typeof asOrdinaryUser = async (work) => work();

test.each(Object.keys(places))('%s: every broken path is told', async (place) => {
  const { use, end = '', works, runs = false } = places[place];
  for (const [kind, make] of Object.entries(broken)) {
    const before = new Set(tree(work.folder));
    const error = await told(() => use(make(end)), runs && !kind.includes('this user') ? asWhoTests : asOrdinaryUser);
    if (error !== null) continue;
    expect(kind, `${place}: ${kind} works`).toMatch(works ?? /^$/);
    for (const file of tree(work.folder).filter((file) => !before.has(file)))
      rmSync(file.replace(/ \d+$/, ''), { recursive: true, force: true });
  }
});

/** What somebody may do to the folder of a run. */
const damages: Readonly<Record<string, (run: string) => void>> = {
  'no run.json': (run) => rmSync(path.join(run, 'run.json')),
  'no plan.json': (run) => rmSync(path.join(run, 'plan.json')),
  'no tokenizer.json': (run) => rmSync(path.join(run, 'tokenizer.json')),
  'no metrics': (run) => rmSync(path.join(run, 'metrics.jsonl')),
  'a folder that cannot be written to': (run) => chmodSync(run, 0o555),
  'a folder that can be entered and not listed': (run) => chmodSync(run, 0o111),
  ...Object.fromEntries(
    [
      'config.json',
      'run.json',
      'plan.json',
      'tokenizer.json',
      'metrics.jsonl',
      'run_id',
      'log.txt',
      'model.ir',
    ].flatMap((name) => [
      [`${name} that cannot be read`, (run: string) => chmodSync(path.join(run, name), 0)],
      [`${name} that is a folder`, (run: string) => (rmSync(path.join(run, name)), mkdirSync(path.join(run, name)))],
    ]),
  ),
  ...Object.fromEntries(
    ['', 'latest', 'step-000001', 'step-000001/manifest.json', 'step-000001/model.safetensors'].map((name) => [
      `checkpoints/${name} that cannot be read`,
      (run: string) => chmodSync(path.join(run, 'checkpoints', name), 0),
    ]),
  ),
  'checkpoints that cannot be written to': (run) => chmodSync(path.join(run, 'checkpoints'), 0o555),
};

test.each(Object.keys(damages))('a run’s folder with %s: every command says so, or goes without', async (damage) => {
  const copy = work.file('runs', 'copy');
  onTestFinished(() => {
    execFileSync('chmod', ['-R', 'u+rwX', copy]);
    rmSync(copy, { recursive: true });
  });
  cpSync(run, copy, { recursive: true });
  execFileSync('chmod', ['-R', 'a+rwX', copy]);
  // A copy of a run is another's by its owner.json; this one takes its place.
  const owner = path.join(copy, 'checkpoints', 'owner.json');
  rmSync(owner);
  damages[damage](copy);
  const mode = statSync(copy).mode;
  for (const use of [
    () => listRuns(work.file('runs')),
    () => listRunCheckpoints(copy),
    () => explainTarget(copy),
    () => generate(copy, { tokens: 1 }),
    () => resumeRun(surroundings, copy, { overrides: ['steps=2'] }),
  ])
    await told(use);
  expect(statSync(copy).mode).toBe(mode);
});
