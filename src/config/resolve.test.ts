import { expect, test } from 'vitest';
import * as data from '../data/source.js';
import { printGraph } from '../ir/print.js';
import { LanguageModel } from '../nn/language_model.js';
import { GPT } from '../nn/models/gpt/gpt.js';
import { Llama } from '../nn/models/llama/llama.js';
import { Mixtral } from '../nn/models/mixtral/mixtral.js';
import { traceModel } from '../nn/trace.js';
import { traceTraining } from '../passes/trace_training.js';
import { adamw } from '../optim/options.js';
import { modelOf } from './model_objects.js';
import type { TrainOptions } from './schema.js';
import { resolveConfig } from './resolve.js';

const resolve = (options: unknown, ...overrides: string[]) =>
  resolveConfig(options as TrainOptions, { overrides, source: 'run.ts' }).config;

test('an empty configuration is the demo', () => {
  const config = resolve({});
  expect(config.model).toEqual({
    family: 'gpt',
    layers: 6,
    dim: 384,
    heads: 6,
    window: 0,
    sinks: false,
    context: 256,
    vocab: null,
    hidden: 1536,
    positions: 'learned',
    dropout: 0,
  });
  expect(config).toMatchObject({ precision: 'bf16', minutes: 5, steps: null, plan: 'auto' });
});

test('a resolved configuration resolves to itself', () => {
  for (const options of [
    {},
    { model: { family: 'llama', dim: 100, heads: 2 } },
    { steps: 300, plan: { zero_stage: 1 } },
  ]) {
    const config = resolve(options);
    expect(resolve(JSON.parse(JSON.stringify(config)))).toEqual(config);
  }
});

const least = { layers: 2, dim: 64, heads: 2, context: 16, vocab: 8192 };
test.each([
  ['GPT', new GPT(least)],
  ['Llama', new Llama({ ...least, hidden: 96 })],
  ['Mixtral', new Mixtral({ ...least, hidden: 96, experts: 4, choices: 2 })],
])('a %s that leaves its options out is the same model when its configuration builds it', (_, model) => {
  const built = modelOf(resolve({ model }).model, 8192)!;
  const forward = (one: LanguageModel) => printGraph(traceModel(one, { batch: 1, sequence: 16 }).graph);
  expect(forward(built)).toBe(forward(model));
  const loss = (one: LanguageModel) => traceTraining(one, { microbatches: 1, batch: 1, sequence: 16, dtype: 'f32' });
  expect(printGraph(loss(built).graph)).toBe(printGraph(loss(model).graph));
});

test('fields that follow from others are filled in', () => {
  expect(resolve({ model: { family: 'llama', dim: 100, heads: 2 } }).model).toMatchObject({ kv_heads: 2, hidden: 320 });
  expect(resolve({ model: { layers: 2 } }).model).toMatchObject({ family: 'gpt', layers: 2 });
  // As many rows as the tokenizer comes to have tokens, of a file or trained on a text that may be too small for more.
  expect(resolve({ data: { tokenizer: { file: 'tokenizer.json' } } }).model.vocab).toBeNull();
  expect(resolve({ model: { vocab: null }, data: { tokenizer: { vocab: 300 } } }).model.vocab).toBeNull();
  expect(resolve({ steps: 300 }).minutes).toBeNull();
});

test('a length that is asked for takes the place of the one that was written; both are refused', () => {
  expect(resolve({ minutes: 5 }, 'steps=3')).toMatchObject({ steps: 3, minutes: null });
  expect(resolve({ steps: 300 }, 'minutes=0.5')).toMatchObject({ steps: null, minutes: 0.5 });
  expect(resolve({ steps: 300 }, 'steps=null')).toMatchObject({ steps: null, minutes: 5 });
  expect(() => resolve({}, 'steps=3', 'minutes=5')).toThrow('config/option-conflict');
  expect(() => resolve({ steps: 3, minutes: 5 })).toThrow('config/option-conflict');
});

test('overrides set fields by dotted path, as JSON or as text', () => {
  const config = resolve(
    { steps: 1000, plan: 'auto' },
    'optimizer.lr=1e-3',
    'precision=f32',
    'data.paths=["a.md"]',
    'plan.tensor_parallel_size=2',
    'plan.zero_stage=1',
    'model.layers=2',
    'data.tokenizer.file=other.json',
    'sample.prompt=a=b',
    'optimizer.clip_grad_norm=null',
  );
  expect(config.optimizer).toMatchObject({ lr: 1e-3, clip_grad_norm: null });
  expect(config).toMatchObject({ precision: 'f32', steps: 1000, model: { family: 'gpt', layers: 2 } });
  expect(config.data).toMatchObject({ paths: ['a.md'], tokenizer: { file: 'other.json' } });
  expect(config.plan).toMatchObject({ tensor_parallel_size: 2, zero_stage: 1, data_parallel_size: null });
  expect(config.sample.prompt).toBe('a=b');
});

test.each([
  [{ optimizer: { learning_rate: 1 } }, "no option is called 'optimizer.learning_rate'", null],
  [{ optimizer: { weight_decy: 1 } }, "'optimizer.weight_decy'", "did you mean 'optimizer.weight_decay'?"],
  [{ lr: 1 }, "no option is called 'lr'", "did you mean 'optimizer.lr'?"],
  [{ stepz: 1 }, "'stepz'", "did you mean 'steps'?"],
  [
    { model: { family: 'llama', rope_scaling: { type: 'yarn' } } },
    "'model.rope_scaling.type'",
    "'model.rope_scaling.rope_type'",
  ],
  [{ plan: { tensor_parallel: 2 } }, "'plan.tensor_parallel'", "'plan.tensor_parallel_size'"],
  [{ model: { family: 'gpt', kv_heads: 2 } }, "'model.kv_heads'", null],
  [{ data: { tokenizer: { vocb: 300 } } }, "'data.tokenizer.vocb'", "did you mean 'data.tokenizer.vocab'?"],
])('%j: an unknown field is named, with the nearest', (options, what, fix) => {
  const error = errorOf(() => resolve(options));
  expect(error).toMatchObject({ code: 'config/unknown-option' });
  expect(error.message).toContain(what);
  expect(error.message).toContain('run.ts');
  if (fix) expect(error.message).toContain(fix);
});

test.each([
  [
    { optimizer: { lr: '3e-4' } },
    `option 'optimizer.lr' must be a number > 0 (update per gradient scale), and is "3e-4"`,
  ],
  [{ batch: { microbatch: 0 } }, "option 'batch.microbatch' must be an integer > 0 (sequences), and is 0"],
  [{ batch: { microbatch: 1.5 } }, 'must be an integer > 0 (sequences), and is 1.5'],
  [
    { batch: { microbatch: 1e300 } },
    'of at most 9007199254740991 in size: beyond, numbers are not exact, and is 1e+300',
  ],
  [{ seed: -1e300 }, 'and is -1e+300'],
  [{ plan: { zero_stage: 1e300 } }, 'must be an integer ≥ 0 and ≤ 3 (stage), and is 1e+300'],
  [{ precision: 'fp16' }, `option 'precision' must be 'bf16' | 'f32' | 'f64', and is "fp16"`],
  [
    { model: { family: 'bert' } },
    `option 'model.family' must be 'gpt' | 'llama' | 'mixtral' | 'custom', and is "bert"`,
  ],
  [{ plan: 3 }, "option 'plan' must be"],
  [{ plan: { zero_stage: 4 } }, "option 'plan.zero_stage' must be an integer ≥ 0 and ≤ 3 (stage), and is 4"],
  [{ data: { paths: 'a.md' } }, `option 'data.paths' must be a list of strings or null, and is "a.md"`],
  [
    { plan: { stage_layers: [5, -1] } },
    "option 'plan.stage_layers.1' must be a list of integers ≥ 0 or null (layers), and is -1",
  ],
  [{ model: 7 }, "option 'model' must be"],
  [[], "option 'the configuration' must be an object"],
])('%j: a wrong value is named, with what was expected', (options, what) => {
  const error = errorOf(() => resolve(options));
  expect(error).toMatchObject({ code: 'config/wrong-option' });
  expect(error.message).toContain(what);
});

test.each([
  ['Interleaved1F1B', 'interleaved'],
  ['ScheduleInterleavedZeroBubble', 'zb-h1'],
  ['ZBVZeroBubble', 'zb-v'],
  ['DualPipeV', 'dualpipe-v'],
  ['GPipe', 'gpipe'],
  ['1F1B', '1f1b'],
  ['zbv', 'zb-v'],
  ['gpip', 'gpipe'],
  ['LoopedBFS', null],
])('the schedule %s is answered with ours, and the list of ours stands once', (given, ours) => {
  const { message } = errorOf(() => resolve({ plan: { pipeline_schedule: given } }));
  expect(message).toContain(`fix    write ${ours ? `'${ours}'` : 'one of these'}; docs/config.md lists every field`);
  expect(message.match(/'dualpipe-v' or null/g)).toHaveLength(1);
});

test.each([
  ['p2p', 'ring'],
  ['a2a', 'ulysses'],
  ['all_gather', 'allgather'],
  ['a2a+p2p', 'ulysses+ring'],
])('the method %s of context parallelism is answered with ours', (given, ours) => {
  const { message } = errorOf(() => resolve({ plan: { context_parallel_size: 2, context_parallel_method: given } }));
  expect(message).toContain(`fix    write '${ours}'`);
});

test('several mistakes are told at once', () => {
  const { message } = errorOf(() => resolve({ optimizer: { lr: -1, weight: 1 }, precision: 'f8' }));
  expect(message).toContain("no option is called 'optimizer.weight'");
  expect(message).toContain('also optimizer.lr must be a number > 0');
  expect(message).toContain("also precision must be 'bf16'");
});

test.each([
  [{ steps: 10, minutes: 1 }, 'steps', 'give one of the two'],
  [{ batch: { sequences: 20, microbatch: 8 } }, 'microbatches of 8', 'set batch.sequences to 16 or 24'],
  [{ batch: { sequences: 4, microbatch: 8 } }, 'microbatches of 8', 'set batch.sequences to 8'],
  [{ model: { dim: 100, heads: 6 } }, 'cut into 6 heads', 'set model.dim to 96 or 102, or model.heads to 5 or 10'],
  [{ model: { dim: 32, heads: 5 } }, 'cut into 5 heads', 'set model.dim to 30 or 35, or model.heads to 4 or 8'],
  [
    { model: { family: 'llama', dim: 12, heads: 5 } },
    'into 5 heads',
    'model.dim to 10 or 20, or model.heads to 3 or 6',
  ],
  [{ model: { family: 'llama', dim: 12, heads: 8, kv_heads: 2 } }, 'into 8', 'to 16, or model.heads to 6'],
  [{ model: { family: 'llama', heads: 6, kv_heads: 4 } }, 'key/value heads', 'one of 1, 2, 3, 6'],
  [
    { model: { family: 'llama', dim: 6, heads: 2 } },
    'dim / heads is 3',
    'set model.dim to 4 or 8, or model.heads to 1 or 3',
  ],
  [{ model: { family: 'mixtral', experts: 2, choices: 3 } }, '3 choices among 2', 'to 2 or less'],
  [{ model: { vocab: 4096 } }, '4096 rows', 'set data.tokenizer.vocab to 4096'],
  [
    { steps: 500, optimizer: { warmup_steps: 200, decay_steps: 100 } },
    'warm-up of 200 steps',
    'set optimizer.warmup_steps to 10',
  ],
  [{ engine: 'reference', device: 'cuda' }, 'no GPU', 'set engine to native'],
  [{ ranks: 3, plan: { tensor_parallel_size: 2 } }, 'multiple of 2 ranks', 'set ranks to 2'],
  [{ ranks: 8, plan: { data_parallel_size: 2, tensor_parallel_size: 2 } }, 'for 4 ranks', 'set ranks to 4'],
])('%j: a contradiction is refused, with a way out', (options, what, fix) => {
  const error = errorOf(() => resolve(options));
  expect(error).toMatchObject({ code: 'config/option-conflict' });
  expect(error.message).toContain(what);
  expect(error.message).toContain(fix);
});

test.each([
  ['optimizer.lrr=1', 'config/unknown-option', "did you mean 'optimizer.lr'?"],
  ['__proto__.x=1', 'config/unknown-option', ''],
  ['optimizer.lr', 'config/bad-override', 'it has no ='],
  ['optimizer.lr=fast', 'config/wrong-option', '"fast"'],
])('--set %s is refused', (override, code, text) => {
  const error = errorOf(() => resolve({}, override));
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(text);
});

class TinyModel extends LanguageModel<{ context: number; vocab: number; width: number }> {
  forward(): never {
    throw new Error('not traced here');
  }
}

test('objects become data, and data become the same objects', () => {
  const gpt = new GPT({ layers: 2, dim: 64, heads: 2, context: 32, vocab: 512 });
  const text = data.text('docs/**/*.md', { tokenizer: { train: 'bpe', vocab: 512 } });
  const config = resolve({ model: gpt, data: text }, 'model.layers=3');
  expect(config.model).toMatchObject({ family: 'gpt', layers: 3, dim: 64, context: 32, vocab: 512, hidden: 256 });
  expect(config.data).toEqual(text);
  expect(modelOf(config.model, 0)?.options).toMatchObject({ layers: 3, dim: 64, heads: 2, context: 32, vocab: 512 });

  const llama = new Llama({
    layers: 1,
    dim: 32,
    heads: 4,
    kv_heads: 2,
    hidden: 96,
    context: 16,
    vocab: 8192,
    tied: true,
  });
  expect(modelOf(resolve({ model: llama }).model, 0)?.options).toMatchObject(llama.options);

  const sizes = { layers: 1, dim: 32, heads: 4, hidden: 96, context: 16, vocab: 8192 };
  const mixtral = new Mixtral({
    ...sizes,
    kv_heads: 1,
    experts: 4,
    choices: 1,
    capacity_factor: 2,
    balance: 0.5,
    rope_base: 500,
  });
  expect(modelOf(resolve({ model: mixtral }).model, 0)?.options).toEqual(mixtral.options);

  for (const schedule of [
    { lr: 3e-4, warmup_steps: 0 },
    { lr: 0.5, schedule: 'constant', warmup_steps: 3 },
    { lr: 2, schedule: 'linear', min_lr_ratio: 0.5, warmup_init: 0.25, warmup_steps: 9 },
    { lr: 0.5, warmup_steps: 20, decay_steps: 500, min_lr_ratio: 0.25 },
  ] as const) {
    const optimizer = adamw({ ...schedule, clip_grad_norm: null, beta2: 0.99, decay: 'all' });
    expect(resolve({ optimizer }).optimizer).toEqual(optimizer);
  }
});

test('a module of your own stays an object, and cannot be overridden from outside', () => {
  const model = new TinyModel({ context: 16, vocab: 8192, width: 3 });
  const resolved = resolveConfig({ model });
  expect(resolved.customModel).toBe(model);
  expect(resolved.config.model).toMatchObject({ family: 'custom', name: 'TinyModel', options: { width: 3 } });
  expect(errorOf(() => resolve({ model }, 'model.options.width=4'))).toMatchObject({ code: 'config/bad-override' });
  expect(resolveConfig({ model: resolved.config.model }).customModel).toBeNull();
});

test('an object that cannot say what it is is refused', () => {
  expect(errorOf(() => resolve({ optimizer: new Date(0) }))).toMatchObject({ code: 'config/not-an-option-object' });
  expect(resolve({ optimizer: { toConfig: () => ({ lr: 0.5 }) } }).optimizer.lr).toBe(0.5);
});

test('options are typed: objects or data, and no field that is not there', () => {
  const options: TrainOptions = {
    model: new GPT({ layers: 6, dim: 384, heads: 6, context: 256, vocab: 8192 }),
    data: data.text('corpus/**/*.md', { tokenizer: { train: 'bpe', vocab: 8192 } }),
    optimizer: adamw({ lr: 3e-4, warmup_steps: 200, decay_steps: 5000, weight_decay: 0.1, clip_grad_norm: 1 }),
    batch: { sequences: 64, microbatch: 8 },
    precision: 'bf16',
    plan: { data_parallel_size: 2, tensor_parallel_size: 2 },
  };
  // Of so many minutes it is known once steps are timed.
  expect(resolve({}).optimizer.warmup_steps).toBeNull();
  expect(resolve({ steps: 50 }).optimizer.warmup_steps).toBe(5);
  expect(resolve({ steps: 5000 }).optimizer.warmup_steps).toBe(200);
  // A run that is shorter than the warm-up that was asked for: a first try.
  const short = resolveConfig({ steps: 3, optimizer: { warmup_steps: 20 } });
  expect(short.config.optimizer.warmup_steps).toBe(0);
  expect(short.warnings).toMatchObject([
    { code: 'optim/warm-up-cut', message: expect.stringContaining('from 20 to 0') },
  ]);
  const whole = resolveConfig({ steps: 20, optimizer: { warmup_steps: 20 } });
  expect(whole).toMatchObject({ warnings: [], config: { optimizer: { warmup_steps: 20 } } });
  expect(resolve(options)).toMatchObject({ optimizer: { lr: 3e-4, decay_steps: 5000 }, plan: { zero_stage: 0 } });
  // @ts-expect-error no such field
  const typo: TrainOptions = { model: { family: 'gpt', layerz: 6 } };
  expect(() => resolve(typo)).toThrow("did you mean 'model.layers'?");
  // @ts-expect-error no such precision
  const wrong: TrainOptions = { precision: 'fp16' };
  expect(() => resolve(wrong)).toThrow("option 'precision'");
});

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
