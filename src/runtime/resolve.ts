/**
 * From what a user wrote to a configuration with every field present, or one clear error.
 *
 * Order: objects become data, `--set` overrides are applied, the schema is checked (unknown fields, types, ranges), fields that
 * follow from others are filled in, and fields that contradict each other are refused. Nothing here depends on the machine.
 */
import type { z } from 'zod';
import type { Place } from '../ir/diagnostic.js';
import { nearest } from '../ir/diagnostic.js';
import { badOverride, notAnOptionObject, optionConflict, unknownOption, wrongOption } from './config_diagnostics.js';
import type { OptionRow } from './option_rows.js';
import { describeOptions } from './option_rows.js';
import { LanguageModel } from '../nn/language_model.js';
import { objectConfig } from './option_objects.js';
import type { TrainConfig, TrainOptions } from './options.js';
import { configSchema } from './options.js';

export interface ResolveOptions {
  /** `optimizer.lr=1e-3`, applied in order. */
  readonly overrides?: readonly string[];
  /** Where the configuration comes from, for messages: a file, or the default. */
  readonly source?: string;
}

export interface ResolvedConfig {
  readonly config: TrainConfig;
  /** The model object of a TypeScript config, where it is a module that `config.model` cannot rebuild on its own. */
  readonly customModel: LanguageModel | null;
}

/**
 * Throws `runtime/unknown-option`, `runtime/wrong-option`, `runtime/option-conflict`, `runtime/bad-override`,
 * `runtime/not-an-option-object`.
 */
export function resolveConfig(
  options: TrainOptions,
  { overrides = [], source = 'train() options' }: ResolveOptions = {},
): ResolvedConfig {
  const plain = applyOverrides(toPlain(options, source), overrides);
  const parsed = configSchema.safeParse(withFamily(plain));
  if (!parsed.success) throw explainIssues(parsed.error.issues, plain, source);
  const config = fillIn(parsed.data);
  refuseConflicts(config, source);
  const given = options.model;
  return { config, customModel: config.model.family === 'custom' && given instanceof LanguageModel ? given : null };
}

/** Options as plain data: objects in them replaced by what they say they are. */
function toPlain(options: TrainOptions, source: string): Plain {
  if (!isPlain(options))
    throw wrongOption({ option: 'default export', expected: 'an object', given: textOf(options), source });
  const plain: Record<string, unknown> = { ...options };
  for (const option of ['model', 'data', 'optimizer'] as const) {
    const value = options[option];
    const config = typeof value === 'object' && value !== null ? objectConfig(option, value) : null;
    if (config) plain[option] = config;
    else if (typeof value === 'object' && value !== null && !isPlain(value)) {
      throw notAnOptionObject({ option, given: `an object of class ${value.constructor?.name}`, source });
    }
  }
  return plain;
}

/**
 * Sets fields by dotted path: `['optimizer.lr=1e-3', 'data.paths=["a.md"]', 'precision=f32']`. Values are JSON, else strings.
 * Leaves `options` as it is.
 */
export function applyOverrides(options: Plain, overrides: readonly string[]): Plain {
  const rows = describeOptions();
  return overrides.reduce((current, text) => {
    const at = text.indexOf('=');
    if (at < 1) throw badOverride({ text, problem: 'it has no =', fix: 'write --set name.of.option=value' });
    const path = text.slice(0, at).trim();
    const row = rows.find((candidate) => candidate.path === path);
    if (!row && !path.startsWith('model.options.')) {
      throw unknownOption({ option: path, nearest: nearestOption(path, rows), source: `--set ${text}` });
    }
    if (path.startsWith('model.') && isPlain(current.model) && current.model.family === 'custom') {
      const fix = 'change it in the TypeScript config that constructs the model';
      throw badOverride({ text, problem: 'the model is an object of your own, already constructed', fix });
    }
    return setAt(current, path.split('.'), parseValue(text.slice(at + 1)));
  }, options);
}

export type Plain = Readonly<Record<string, unknown>>;

function setAt(target: Plain, [name, ...rest]: readonly string[], value: unknown): Plain {
  if (rest.length === 0) return { ...target, [name]: value };
  // A group given in another form ('auto', a path, null) gives way to one with this field.
  const inner = target[name];
  return { ...target, [name]: setAt(isPlain(inner) ? inner : {}, rest, value) };
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A model without a family is a GPT. */
function withFamily(plain: Plain): Plain {
  if (!isPlain(plain.model) || 'family' in plain.model) return plain;
  return { ...plain, model: { family: 'gpt', ...plain.model } };
}

/** Fields that follow from other fields. */
function fillIn(config: TrainConfig): TrainConfig {
  const { model, data, optimizer, steps, minutes } = config;
  const decaySteps = optimizer.decay_steps ?? steps;
  const warmup = decaySteps === null ? longestWarmup : Math.min(longestWarmup, Math.floor(decaySteps / 10));
  // Of a tokenizer file the size is known once it is read.
  const vocab = model.vocab ?? (data.tokenizer.file === null ? data.tokenizer.vocab : null);
  return {
    ...config,
    model: fillInModel({ ...model, vocab }),
    optimizer: { ...optimizer, warmup_steps: optimizer.warmup_steps ?? warmup },
    minutes: steps === null && minutes === null ? 5 : minutes,
  };
}

/** Steps of warm-up where nothing is said and the run is long. */
const longestWarmup = 200;

function fillInModel(model: TrainConfig['model']): TrainConfig['model'] {
  switch (model.family) {
    case 'gpt':
      return { ...model, hidden: model.hidden ?? 4 * model.dim };
    case 'llama':
    case 'mixtral':
      return {
        ...model,
        kv_heads: model.kv_heads ?? model.heads,
        hidden: model.hidden ?? 64 * Math.ceil((8 * model.dim) / 3 / 64),
      };
    case 'custom':
      return model;
  }
}

function refuseConflicts(
  { model, data, batch, optimizer, steps, minutes, engine, device, ...config }: TrainConfig,
  source: string,
): void {
  const refuse = (options: readonly string[], problem: string, fix: string): never => {
    throw optionConflict({ options, problem, source, fix });
  };
  if (steps !== null && minutes !== null) {
    refuse(['steps', 'minutes'], `the run is to last ${steps} steps and ${minutes} minutes`, 'give one of the two');
  }
  if (batch.sequences % batch.microbatch !== 0) {
    const near = multiplesNear(batch.sequences, batch.microbatch).join(' or ');
    const problem = `a batch of ${batch.sequences} sequences is not a whole number of microbatches of ${batch.microbatch}`;
    refuse(['batch.sequences', 'batch.microbatch'], problem, `set batch.sequences to ${near}`);
  }
  if (model.family !== 'custom' && model.dim % model.heads !== 0) {
    const near = multiplesNear(model.dim, model.heads).join(' or ');
    refuse(
      ['model.dim', 'model.heads'],
      `a width of ${model.dim} cannot be cut into ${model.heads} heads`,
      `set model.dim to ${near}`,
    );
  }
  if (model.family === 'llama' || model.family === 'mixtral') {
    const kvHeads = model.kv_heads ?? model.heads;
    if (model.heads % kvHeads !== 0) {
      const divisors = Array.from({ length: model.heads }, (_, k) => k + 1).filter((k) => model.heads % k === 0);
      const problem = `${model.heads} heads cannot share ${kvHeads} key/value heads evenly`;
      refuse(['model.kv_heads', 'model.heads'], problem, `set model.kv_heads to one of ${divisors.join(', ')}`);
    }
    if ((model.dim / model.heads) % 2 !== 0) {
      const problem = `rotary positions need an even head size, and dim / heads is ${model.dim / model.heads}`;
      refuse(['model.dim', 'model.heads'], problem, `set model.dim to ${model.dim + model.heads}`);
    }
  }
  if (model.family === 'mixtral' && model.choices > model.experts) {
    const problem = `${model.choices} choices among ${model.experts} experts`;
    refuse(['model.choices', 'model.experts'], problem, `set model.choices to ${model.experts} or less`);
  }
  if (model.vocab !== null && data.tokenizer.file === null && model.vocab < data.tokenizer.vocab) {
    const problem = `the tokenizer may have ${data.tokenizer.vocab} tokens, and the embedding has ${model.vocab} rows`;
    refuse(['model.vocab', 'data.tokenizer.vocab'], problem, `set data.tokenizer.vocab to ${model.vocab}`);
  }
  const decaySteps = optimizer.decay_steps ?? steps;
  if (decaySteps !== null && (optimizer.warmup_steps ?? 0) > decaySteps) {
    const problem = `warm-up of ${optimizer.warmup_steps} steps is longer than the schedule of ${decaySteps}`;
    const fix = `set optimizer.warmup_steps to ${Math.floor(decaySteps / 10)}`;
    refuse(
      ['optimizer.warmup_steps', optimizer.decay_steps === null ? 'steps' : 'optimizer.decay_steps'],
      problem,
      fix,
    );
  }
  if (engine === 'reference' && device === 'cuda') {
    refuse(
      ['engine', 'device'],
      'the reference engine computes in TypeScript, on no GPU',
      'set engine to native or device to cpu',
    );
  }
  if (typeof config.plan !== 'string' && config.ranks !== null) {
    const { data_parallel_size: replicas, tensor_parallel_size: tensor, pipeline_parallel_size: stages } = config.plan;
    const copy = tensor * stages;
    const fits = replicas === null ? config.ranks % copy === 0 : config.ranks === replicas * copy;
    const wanted = replicas === null ? `a multiple of ${copy}` : `${replicas * copy}`;
    const nearby = replicas === null ? multiplesNear(config.ranks, copy).join(' or ') : wanted;
    if (!fits) {
      const problem = `the plan is for ${wanted} ranks, and ranks is ${config.ranks}`;
      refuse(['ranks', 'plan'], problem, `set ranks to ${nearby}, or leave it out`);
    }
  }
}

/** The multiples of `step` next to `value`, positive. */
function multiplesNear(value: number, step: number): number[] {
  const below = Math.floor(value / step) * step;
  return [below, below + step].filter((multiple) => multiple > 0);
}

/** One diagnostic for all that the schema found: unknown fields first, since they explain others. */
function explainIssues(issues: readonly z.core.$ZodIssue[], given: Plain, source: string) {
  const rows = describeOptions();
  const problems = issues.flatMap((issue) => problemsOf(issue, [], given, rows));
  const [first, ...rest] = [...problems].sort((a, b) => Number(b.kind === 'unknown') - Number(a.kind === 'unknown'));
  const others = rest.map((problem): Place => ({ at: source, note: `also ${noteOf(problem)}` }));
  return first.kind === 'unknown'
    ? unknownOption({ ...first, source, others })
    : wrongOption({ ...first, source, others });
}

type Problem =
  | { readonly kind: 'unknown'; readonly option: string; readonly nearest: string | null }
  | { readonly kind: 'wrong'; readonly option: string; readonly expected: string; readonly given: string };

const noteOf = (problem: Problem): string =>
  problem.kind === 'unknown' ? `unknown: ${problem.option}` : `${problem.option} must be ${problem.expected}`;

function problemsOf(
  issue: z.core.$ZodIssue,
  above: readonly PropertyKey[],
  given: Plain,
  rows: readonly OptionRow[],
): readonly Problem[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const option = [...path, key].join('.');
      return { kind: 'unknown', option, nearest: nearestOption(option, rows) };
    });
  }
  // Of the forms that a field may have, the one that was meant is the one that got furthest.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const meant = issue.errors.find((errors) =>
      errors.some((error) => error.path.length > 0 || error.code === 'unrecognized_keys'),
    );
    if (meant) return meant.flatMap((error) => problemsOf(error, path, given, rows));
  }
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], given);
  return [{ kind: 'wrong', option: path.join('.'), expected: expectedAt(path, rows), given: textOf(value) }];
}

/** What may stand at a path: the type, range and unit of its option. */
function expectedAt(path: readonly PropertyKey[], rows: readonly OptionRow[]): string {
  const names = path.map(String);
  while (names.length > 0) {
    const row = rows.find((candidate) => candidate.path === names.join('.'));
    if (row) return [article(row.type), row.range, row.unit && `(${row.unit})`].filter(Boolean).join(' ');
    names.pop();
  }
  return 'another value';
}

const article = (type: string): string =>
  /^(integer|object|anything)/.test(type)
    ? `an ${type}`
    : /^['l]/.test(type) && !type.startsWith('list')
      ? type
      : `a ${type}`;

/** The option that was probably meant: one of this name in another group, or one of almost this name. */
function nearestOption(option: string, rows: readonly OptionRow[]): string | null {
  const leaf = (path: string) => path.slice(path.lastIndexOf('.') + 1);
  const group = option.includes('.') ? option.slice(0, option.lastIndexOf('.')) : '';
  const siblings = rows.filter(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('.'))) === group);
  const sibling = nearest(
    leaf(option),
    siblings.map(({ path }) => leaf(path)),
  );
  if (sibling) return group ? `${group}.${sibling}` : sibling;
  return (
    rows.find(({ path }) => leaf(path) === leaf(option))?.path ??
    nearest(
      option,
      rows.map(({ path }) => path),
    )
  );
}

function textOf(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function isPlain(value: unknown): value is Plain {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
