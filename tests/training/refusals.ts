/**
 * Every diagnostic that `train`, `resume`, `generate` and `explain` can give before the first step, with a mistake that gives it. A code
 * that the sources declare is in one of these lists, or the test that reads them says which is missing.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LanguageModel } from '../../src/nn/language_model.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { RunLock } from '../../src/run/lock.js';
import { ownModel, wrongModels } from './model_refusals.js';
import type { Workplace } from './tiny_run.js';

export type Command = 'train' | 'resume' | 'generate' | 'explain';

export interface Refusal {
  readonly code: string;
  /** Commands that are refused with it. */
  readonly commands: readonly Command[];
  /** Puts the mistake into the run's folder, before its bytes are noted; gives how to take away what else it made. */
  readonly prepare?: (run: string, work: Workplace) => (() => void) | void;
  /** `--set` overrides of resume and explain. */
  readonly overrides?: (work: Workplace) => readonly string[];
  /** What train is given, under the name of the run that is there unless it says another. */
  readonly options?: (work: Workplace) => TrainOptions;
  readonly checkpoint?: number | string;
  /** A model of one's own, given to the run of one, or to train. */
  readonly model?: () => LanguageModel;
}

const edit = (run: string, name: string, change: (text: string) => string): void => {
  const file = path.join(run, name);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
};
const write = (name: string, text: string) => (run: string) => writeFileSync(path.join(run, name), text);
const setConfig = (change: (config: Record<string, Record<string, unknown>>) => object) => (run: string) =>
  edit(run, 'config.json', (text) => JSON.stringify(change(JSON.parse(text))));
const all: readonly Command[] = ['resume', 'generate', 'explain'];
const others = { logging: { name: 'another' } };
/** Options of a run that is not there yet. */
const fresh = (options: TrainOptions) => () => options;

/** Sets variables of the environment while a command runs. */
function withVariables(variables: Readonly<Record<string, string>>): () => () => void {
  return () => {
    const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, variables);
    return () => {
      for (const [name, value] of before)
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    };
  };
}

const withoutGradients: readonly string[] = ['ir/no-gradient', 'passes/nothing-to-train'];
const everyCommand: readonly Command[] = ['train', ...all];

export const refusals: readonly Refusal[] = [
  // The folder of the run.
  { code: 'run/not-found', commands: ['resume', 'generate'], prepare: (run) => rmSync(path.join(run, 'config.json')) },
  { code: 'run/exists', commands: ['train'] },
  { code: 'run/completed', commands: ['resume'] },
  { code: 'run/bad-name', commands: ['train'], options: fresh({ logging: { name: '../out' } }) },
  { code: 'run/bad-name', commands: ['explain'], overrides: () => ['logging.name=../out'] },
  {
    code: 'run/folder-taken',
    commands: ['train'],
    prepare(run) {
      for (const name of ['config.json', 'run_id']) rmSync(path.join(run, name));
    },
  },
  {
    code: 'run/folder-not-written',
    commands: ['train'],
    options: (work) => ({ ...others, logging: { ...others.logging, directory: work.file('corpus', '0.txt') } }),
  },
  {
    code: 'run/locked',
    commands: ['resume', 'train'],
    prepare(run) {
      const lock = RunLock.take(run);
      return () => lock.release();
    },
    overrides: () => ['steps=4'],
  },
  { code: 'run/lock-unreadable', commands: ['resume'], prepare: write('lock', '{}'), overrides: () => ['steps=4'] },
  {
    code: 'run/not-its-own-files',
    commands: ['resume', 'generate', 'explain', 'train'],
    prepare(run) {
      rmSync(path.join(run, 'metrics.jsonl'));
      symlinkSync(path.join(run, '..', 'elsewhere'), path.join(run, 'metrics.jsonl'));
    },
  },
  { code: 'run/record-invalid', commands: ['resume'], prepare: write('run.json', '{"steps": "many"}') },
  { code: 'run/record-invalid', commands: ['explain'], prepare: (run) => rmSync(path.join(run, 'plan.json')) },
  {
    code: 'run/checkpoints-of-another-run',
    commands: ['resume'],
    overrides: (work) => ['steps=4', `checkpoint.directory=${work.file('runs', 'other', 'checkpoints')}`],
  },
  {
    code: 'run/checkpoints-of-another-run',
    commands: ['train'],
    options: (work) => ({ ...others, checkpoint: { directory: work.file('runs', 'other', 'checkpoints') } }),
  },
  {
    code: 'run/checkpoints-not-marked',
    commands: ['train'],
    prepare(_run, work) {
      mkdirSync(work.file('theirs'), { recursive: true });
      writeFileSync(work.file('theirs', 'latest'), 'global_step100');
    },
    options: (work) => ({ ...others, checkpoint: { directory: work.file('theirs') } }),
  },

  // What is saved in it.
  {
    code: 'checkpoint/none-found',
    commands: ['resume', 'generate'],
    prepare: (run) => rmSync(path.join(run, 'checkpoints'), { recursive: true }),
  },
  { code: 'checkpoint/no-such-step', commands: all, checkpoint: 7 },
  ...['step-000007', '7'].map((checkpoint): Refusal => ({
    code: 'checkpoint/no-such-step',
    commands: all,
    checkpoint,
  })),
  ...['', 'last', '1e3', '-1', '2.0', 'step-', 'checkpoints/step-000002', NaN, 1.5].map((checkpoint): Refusal => ({
    code: 'run/bad-checkpoint-name',
    commands: all,
    checkpoint,
  })),
  {
    code: 'checkpoint/manifest-invalid',
    commands: ['resume', 'generate'],
    prepare: write('checkpoints/step-000002/manifest.json', '{'),
  },
  {
    code: 'checkpoint/newer-format',
    commands: ['resume', 'generate'],
    prepare: write('checkpoints/step-000002/manifest.json', '{"flotilla_checkpoint": 99}'),
  },
  {
    code: 'checkpoint/file-corrupt',
    commands: ['resume', 'generate'],
    prepare: write('checkpoints/step-000002/model.safetensors', 'x'),
  },
  {
    code: 'checkpoint/of-another-run',
    commands: ['generate'],
    prepare(run, work) {
      const from = work.file('runs', 'other', 'checkpoints', 'step-000002');
      rmSync(path.join(run, 'checkpoints', 'step-000002'), { recursive: true });
      cpSync(from, path.join(run, 'checkpoints', 'step-000002'), { recursive: true });
    },
  },

  // The configuration.
  { code: 'config/unreadable', commands: all, prepare: write('config.json', '{') },
  { code: 'config/unknown-option', commands: all, prepare: setConfig((config) => ({ ...config, stepz: 1 })) },
  { code: 'config/wrong-option', commands: all, prepare: setConfig((config) => ({ ...config, steps: 'many' })) },
  { code: 'config/bad-override', commands: ['resume', 'explain'], overrides: () => ['steps'] },
  {
    code: 'config/option-conflict',
    commands: ['resume', 'explain'],
    overrides: () => ['batch.sequences=5', 'batch.microbatch=2'],
  },
  {
    code: 'config/option-conflict',
    commands: ['resume', 'explain'],
    prepare: setConfig((config) => ({ ...config, plan: 'plan.json' })),
    overrides: () => ['steps=4', 'plan.tensor_parallel_size=2'],
  },
  { code: 'config/option-conflict', commands: ['train'], options: fresh({ ...others, steps: 3, minutes: 3 }) },
  { code: 'config/unknown-option', commands: ['train'], options: fresh({ ...others, stepz: 1 } as TrainOptions) },
  { code: 'config/wrong-option', commands: ['train'], options: fresh({ ...others, seed: -1 }) },
  {
    code: 'config/not-an-option-object',
    commands: ['train'],
    options: fresh({ ...others, optimizer: new Map() as unknown as object }),
  },

  // Plan, model and data.
  {
    code: 'plan/too-many-context-ranks',
    commands: ['resume', 'explain'],
    overrides: () => ['steps=4', 'ranks=64', 'plan.context_parallel_size=64'],
  },
  {
    code: 'plan/too-many-tensor-ranks',
    commands: ['resume', 'explain'],
    overrides: () => ['steps=4', 'ranks=4', 'plan.tensor_parallel_size=4'],
  },
  {
    code: 'plan/stage-layers-differ',
    commands: ['resume', 'explain'],
    overrides: () => ['steps=4', 'plan.stage_layers=[5]'],
  },
  { code: 'plan/invalid', commands: ['explain'], prepare: write('plan.json', '{}') },
  { code: 'plan/version-unknown', commands: ['explain'], prepare: write('plan.json', '{"flotilla_plan": 99}') },
  {
    code: 'data/shorter-than-one-batch',
    commands: ['resume'],
    overrides: () => ['steps=4', 'batch.sequences=4000'],
  },
  {
    code: 'data/shorter-than-one-batch',
    commands: ['train'],
    options: fresh({ ...others, batch: { sequences: 4000, microbatch: 1 } }),
  },
  { code: 'data/not-found', commands: ['train'], options: fresh({ ...others, data: { paths: ['/nowhere.txt'] } }) },
  ...(
    [
      ['data/empty', 'blank.txt', '\n'],
      ['data/not-text', 'binary.txt', '\0\u0001\0\u0002\0'],
      ['data/bad-json-line', 'lines.jsonl', '{"text": "one"}\n{"text"\n'],
    ] as const
  ).map(([code, name, text]): Refusal => ({
    code,
    commands: ['train'],
    prepare: (_run, work) => writeFileSync(work.file(name), text),
    options: (work) => ({ ...others, data: { paths: [work.file(name)] } }),
  })),
  {
    code: 'train/vocab-too-small',
    commands: ['train'],
    options: (work) => ({
      ...others,
      model: { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8, vocab: 100 },
      data: { tokenizer: { file: work.file('runs', 'good', 'tokenizer.json') } },
    }),
  },
  {
    code: 'plan/for-another-model',
    commands: ['train'],
    options: (work) => ({
      ...others,
      model: { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 },
      plan: work.file('runs', 'good', 'plan.json'),
    }),
  },
  {
    code: 'plan/choices-for-another-plan',
    commands: ['train'],
    prepare(run, work) {
      const resolved = JSON.parse(readFileSync(path.join(run, 'plan.resolved.json'), 'utf8'));
      const changed = { ...resolved, zero: { ...resolved.zero, bucket_bytes: 100 } };
      writeFileSync(work.file('changed.json'), JSON.stringify(changed));
    },
    options: (work) => ({ ...others, plan: work.file('changed.json') }),
  },
  {
    code: 'train/world-size-differs',
    commands: ['train'],
    options: (work) => ({ ...others, ranks: 2, plan: work.file('runs', 'good', 'plan.json') }),
  },
  // A model of one's own.
  ...Object.entries(wrongModels).map(([code, model]): Refusal => ({
    code,
    // Every command traces the forward by the same call, and resume and train write. A run goes on with no model that has no gradients:
    // it would be another.
    commands: withoutGradients.includes(code)
      ? ['train', 'explain']
      : code === 'nn/model-fails'
        ? everyCommand
        : ['train', 'resume'],
    model,
    overrides: () => ['steps=4'],
    options: fresh(others),
  })),

  {
    code: 'nn/documents-not-read',
    commands: ['train'],
    model: ownModel,
    options: fresh({ ...others, data: { documents: 'separate' } }),
  },

  // Its data.
  ...(
    [
      ['a link that leads to itself', 'data/unreadable', ['loop']],
      ['a folder with one in it', 'data/unreadable', ['looping']],
      ['a name that no system has', 'data/unreadable', ['x'.repeat(5000)]],
      ['a file as a folder', 'data/not-found', ['corpus', '0.txt', '1.txt']],
    ] as const
  ).map(([, code, names]): Refusal => ({
    code,
    commands: ['train'],
    prepare(_run, work) {
      mkdirSync(work.file('looping'));
      const links = [work.file('loop'), work.file('looping', 'loop.txt')];
      for (const link of links) symlinkSync(path.basename(link), link);
      return () => [...links, work.file('looping')].forEach((one) => rmSync(one, { recursive: true }));
    },
    options: (work) => ({ ...others, data: { paths: [work.file(...names)] } }),
  })),
  // Other paths that lead to themselves, or below a file.
  ...(['loop', 'below'] as const).flatMap((place) => {
    const at = (work: Workplace) => (place === 'loop' ? work.file('loop') : work.file('corpus', '0.txt', 'x'));
    const options: readonly (readonly [string, (path: string) => TrainOptions])[] = [
      ['data/tokenizer-invalid', (file) => ({ data: { tokenizer: { file } } })],
      ['checkpoint/none-found', (path) => ({ checkpoint: { initial_load_path: path } })],
      ['run/folder-not-written', (directory) => ({ checkpoint: { directory } })],
      ['run/folder-not-written', (directory) => ({ logging: { directory, name: 'another' } })],
    ];
    return options.map(([code, given]): Refusal => ({
      code,
      commands: ['train'],
      prepare(_run, work) {
        symlinkSync('loop', work.file('loop'));
        return () => rmSync(work.file('loop'));
      },
      options: (work) => ({ ...others, ...given(at(work)) }),
    }));
  }),
  {
    code: 'data/glob-bad',
    commands: ['train'],
    options: (work) => ({ ...others, data: { paths: [`${work.file('corpus')}/[z-a]*`] } }),
  },
  {
    code: 'data/cache-not-writable',
    commands: ['train'],
    options: (work) => ({ ...others, data: { cache: work.file('corpus', '0.txt', 'cache') } }),
  },
  {
    code: 'data/no-separator-token',
    commands: ['generate'],
    prepare: (run) => edit(run, 'tokenizer.json', (text) => text.replaceAll('<|endoftext|>', '<|other|>')),
  },

  // The job that it is part of.
  {
    code: 'launch/variable-bad',
    commands: ['train', 'resume'],
    prepare: withVariables({ RANK: 'first', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '29501' }),
    overrides: () => ['steps=4'],
    options: fresh(others),
  },
  {
    code: 'launch/variable-missing',
    commands: ['train', 'resume'],
    prepare: withVariables({ RANK: '0' }),
    overrides: () => ['steps=4'],
    options: fresh(others),
  },
  { code: 'data/tokenizer-invalid', commands: ['generate'], prepare: write('tokenizer.json', '[]') },
  {
    code: 'plan/contradicts-config',
    commands: ['train'],
    options: (work) => ({
      ...others,
      batch: { sequences: 8, microbatch: 1 },
      plan: work.file('runs', 'good', 'plan.json'),
    }),
  },
  {
    code: 'plan/not-reproducible',
    commands: ['train'],
    options: (work) => ({ ...others, reproducible: true, plan: work.file('runs', 'good', 'plan.json') }),
  },
  {
    code: 'plan/shared-otherwise',
    commands: ['resume'],
    prepare: (run) => {
      for (const file of ['plan.json', 'config.json'])
        edit(run, file, (text) => JSON.stringify({ ...(JSON.parse(text) as object), reproducible: true }));
    },
    overrides: () => ['steps=4', 'ranks=2', 'plan.tensor_parallel_size=2'],
  },
  {
    code: 'plan/unknown-name',
    commands: ['explain'],
    prepare: (run) => edit(run, 'plan.json', (text) => text.replaceAll('"embedding"', '"embeding"')),
  },
  {
    code: 'plan/contradiction',
    commands: ['explain'],
    prepare: (run) => edit(run, 'plan.json', (text) => text.replace('"embedding",', '"embedding", "embedding",')),
  },
  {
    code: 'plan/too-many-stages',
    commands: ['resume', 'explain'],
    overrides: () => ['steps=4', 'ranks=9', 'plan.pipeline_parallel_size=9'],
  },
  {
    code: 'plan/shard-size-does-not-divide',
    commands: ['resume', 'explain'],
    overrides: () => ['steps=4', 'ranks=3', 'plan.zero_stage=1', 'plan.shard_size=2'],
  },
  {
    code: 'train/memory-exceeded',
    commands: ['train'],
    options: fresh({ ...others, model: { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8, vocab: 1e11 } }),
  },
  {
    code: 'config/code-not-trusted',
    commands: all,
    prepare(run) {
      const module = path.join(run, '..', '..', 'theirs.ts');
      writeFileSync(module, 'throw new Error("executed");');
      setConfig((config) => ({
        ...config,
        model: { family: 'custom', name: 'Theirs', module, context: 8, vocab: 270, options: {} },
      }))(run);
    },
  },
  { code: 'run/length-decided', commands: ['resume'], overrides: () => ['steps=null', 'minutes=5'] },
  {
    code: 'run/has-weights',
    commands: ['resume'],
    overrides: (work) => ['steps=4', `checkpoint.initial_load_path=${work.file('runs', 'other')}`],
  },
  ...['logging.name=another', 'logging.directory=another'].map((change): Refusal => ({
    code: 'run/option-fixed',
    commands: ['resume'],
    overrides: () => ['steps=4', change],
  })),
  { code: 'run/model-differs', commands: ['resume'], overrides: () => ['steps=4', 'model.heads=4'] },
];

const betweenProcesses =
  'between processes of a job that has begun: src/launch/attendance.test.ts, tests/training/scripts.test.ts';

/** Codes that have no row, each with why. */
export const withoutRow: Readonly<Record<string, string>> = {
  'observe/picture-unwritable': 'of plot, which writes nothing but its picture: tests/training/plot.test.ts',
  'observe/plot-unit-unknown': 'of a flag of plot: tests/training/plot.test.ts',
  'plan/ranks-idle': 'a warning',
  'plan/sequences-in-order': 'a warning',
  'plan/nothing-for-expert-ranks': 'beside plan/too-many-context-ranks: src/plan/plan_errors.test.ts',
  'plan/too-many-expert-ranks': 'beside plan/too-many-context-ranks: src/plan/plan_errors.test.ts',
  'plan/nothing-for-expert-tensor-ranks': 'beside plan/too-many-context-ranks: src/plan/plan_errors.test.ts',
  'plan/no-such-expert-tensor-size': 'beside plan/too-many-context-ranks: src/plan/plan_errors.test.ts',
  'plan/experts-do-not-divide': 'beside plan/shard-size-does-not-divide: src/plan/plan_errors.test.ts',
  'plan/too-few-heads': 'beside plan/too-many-context-ranks: src/plan/plan_errors.test.ts',
  'plan/too-many-sequence-ranks': 'beside plan/too-many-context-ranks: src/plan/plan_errors.test.ts',
  'plan/nothing-for-tensor-ranks': 'beside plan/too-many-tensor-ranks: src/plan/plan_errors.test.ts',
  'config/called-while-imported': 'tests/training/own_code.test.ts, with what is there compared',
  'config/unknown-setting': 'of a script’s call, before a folder is opened: tests/training/bad_input.test.ts',
  'config/no-model-exported': 'tests/training/own_code.test.ts: of --model, before a folder is written',
  'launch/aborted': 'of a script’s signal: tests/training/abort.test.ts, with what is there compared',
  'launch/not-a-signal': 'of a script’s call, before a folder is opened: tests/training/abort.test.ts',
  'data/tokenizer-failed': 'of a document that the library fails on: tests/tokenizers/bad_files.test.ts',
  'data/tokenizer-library-missing': 'of an installation: tests/tokenizers/library_missing.test.ts',
  'run/none-found': 'of `flotilla runs`, which reads',
  'run/changed': 'two processes at one moment: src/run/begin.ts takes back its lock alone',
  'run/data-gone': 'tests/training/resume.test.ts, with the bytes compared',
  'run/data-differs': 'tests/training/resume.test.ts, with the bytes compared',
  'run/lock-lost': 'during the run',
  'run/path-refused': 'of permissions, as another user: tests/training/hostile_paths.test.ts, with the bytes compared',
  'run/shards-lost': 'during the run',
  'checkpoint/disk-full': 'during the run',
  'checkpoint/save-failed': 'during the run',
  'checkpoint/not-finite': 'during the run',
  'checkpoint/name-twice': 'during the run',
  'checkpoint/source-bytes': 'during the run',
  'checkpoint/tensors-differ': 'behind run/model-differs: tests/training/resume.test.ts',
  'config/custom-model-lost': 'own models: thrown by loading the model, as config/unreadable is',
  'train/loss-not-finite': 'during the run',
  'train/updates-skipped': 'during the run',
  'train/failed-after-save': 'after the run',
  'train/ranks-differ': 'under another launcher: tests/training/scripts.test.ts',
  'train/programs-differ': 'between ranks, each of which has compiled',
  'train/threads-bad': 'of an environment variable, before a folder is opened',
  'train/unknown-dump-point': 'of a flag of explain, before a folder is opened',
  'plan/world-size-mismatch': 'beside train/world-size-differs',
  'plan/batch-does-not-divide': 'beside plan/too-many-tensor-ranks',
  'checkpoint/unknown-tensor': 'behind checkpoint/tensors-differ',
  'data/no-installed-sources': 'of an installation without node_modules: src/data/corpus.test.ts',
  'data/vocab-too-small': 'behind config/wrong-option',
  'data/option-out-of-range': 'behind config/wrong-option',
  'data/token-file-corrupt': 'prepared data that is damaged is made again: src/data/prepare.test.ts',
  'data/id-outside-vocabulary': 'prepared data that is damaged is made again: src/data/prepare.test.ts',
  'data/no-temporary-folder': 'of the environment: src/data/cache.test.ts',
  'data/tokenizer-too-slow': 'takes its seconds: src/data/hostile.test.ts',
  'ir/unknown-axis': 'behind plan/unknown-name',
  'kernels/no-native-kernel': 'nothing that a model can say is without one: src/engine/native/op_table.test.ts',
  'nn/sequence-too-long': 'every command traces a model for its own context, and not for more',
  'nn/shared-weight-differs':
    'while a model is constructed, which a script does before it calls: tests/own_mistakes.test.ts',
  'nn/bad-init': 'while a model is constructed: src/nn/init.test.ts',
  'nn/unknown-option': 'while a model is constructed: src/nn/module.test.ts',
  'nn/tensor-outside-model': 'of a tensor that no trace has made',
  'observe/summary-unwritable':
    'of the file of --json, beside a run and not of it: tests/training/around_a_run.test.ts',
  'launch/another-call': betweenProcesses,
  'launch/another-model': betweenProcesses,
  'launch/call-not-reached': betweenProcesses,
  'launch/folder-gone': betweenProcesses,
  'launch/message-bad': betweenProcesses,
  'launch/stopped-before': 'of a script’s later call, after a signal: tests/training/scripts.test.ts',
  'launch/rank-failed': betweenProcesses,
  'launch/rank-left': betweenProcesses,
  'launch/rank-silent': betweenProcesses,
  'launch/ranks-absent': betweenProcesses,
  'launch/command-not-started': 'of a program that is not there: src/launch/launch.test.ts',
  'launch/interrupted': 'of a signal: tests/training/stopping.test.ts',
  'launch/port-taken': 'between the choice of a free port and its use: src/launch/launch.test.ts',
};

/** Folders whose codes have no row, none of them, each with why. */
export const foldersWithoutRow: Readonly<Record<string, string>> = {
  cli: 'a mistake on the command line, before anything is opened: tests/training/command_line.test.ts',
  compare: 'of two runs that are compared: tests/compare/*.test.ts',
  engine: 'of the machine, told before a run is opened (tests/training/device.test.ts), or of a step',
  lower: 'behind plan/… and the checker of placed graphs: faults of the compiler itself',
  partition: 'the checker of placed graphs, behind plan/…: faults of the compiler itself',
  program: 'the verifier of programs: faults of the compiler, which tests/mutants.test.ts makes',
  reshard: 'faults of the compiler, and of a plan’s paths: src/reshard/*.test.ts, tests/core/edited_paths.test.ts',
  schedule:
    'of schedules that are written out, in plans and in files: src/plan/plan_errors.test.ts, src/schedule/*.test.ts',
};
