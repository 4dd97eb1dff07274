/** Between the objects of a TypeScript config and the plain data that a run keeps. */
import type { TextSource } from '../data/source.js';
import { installed, text } from '../data/source.js';
import { GPT } from '../nn/models/gpt.js';
import { Llama } from '../nn/models/llama.js';
import { Mixtral } from '../nn/models/mixtral.js';
import { LanguageModel } from '../nn/language_model.js';
import type { AdamW } from '../optim/adamw.js';
import type { Schedule } from '../optim/schedule.js';
import { camelCase, snakeCase, type CamelCase } from './names.js';
import type { ConfigObject, TrainConfig } from './schema.js';

const families = [
  { family: 'gpt', made: GPT },
  { family: 'llama', made: Llama },
  { family: 'mixtral', made: Mixtral },
] as const;

/** What an object given as `option` is as plain data; null where it is plain data itself, or cannot say. */
export function objectConfig(option: 'model' | 'data' | 'optimizer', value: object): object | null {
  if (isConfigObject(value)) return value.toConfig();
  if (option === 'model') return value instanceof LanguageModel ? modelConfig(value) : null;
  if (option === 'data') return isTextSource(value) ? dataConfig(value) : null;
  return isAdamW(value) ? optimizerConfig(value) : null;
}

/** A model as `config.model`. One that is no model of ours is `custom`: only its own constructor can build it. */
export function modelConfig(model: LanguageModel): object {
  // Exactly our classes: a subclass is a model of its own.
  const family = families.find(({ made }) => Object.getPrototypeOf(model) === made.prototype)?.family;
  if (family) return { family, ...snakeCaseKeys(model.options) };
  const { context, vocab, ...options } = model.options;
  return { family: 'custom', name: model.constructor.name, context, vocab, options };
}

/**
 * The model that a resolved `config.model` describes. `vocab` is the tokenizer's size, where the configuration leaves it open.
 * Null for a custom model, which its TypeScript config constructs.
 */
export function modelOf(config: TrainConfig['model'], vocab: number): LanguageModel | null {
  switch (config.family) {
    case 'gpt':
      return new GPT(modelOptions(config, vocab));
    case 'llama':
      return new Llama(modelOptions(config, vocab));
    case 'mixtral':
      return new Mixtral(modelOptions(config, vocab));
    case 'custom':
      return null;
  }
}

/** Fields of a family as its constructor names them; null is left to the constructor. */
type ModelOptions<Fields> = {
  readonly [Name in Exclude<keyof Fields, 'family'> & string as CamelCase<Name>]: NonNullable<Fields[Name]>;
};

function modelOptions<Fields extends { readonly family: string; readonly vocab: number | null }>(
  { family: _, ...fields }: Fields,
  vocab: number,
): ModelOptions<Fields> {
  const given = Object.entries({ ...fields, vocab: fields.vocab ?? vocab }).filter(([, value]) => value !== null);
  return Object.fromEntries(given.map(([name, value]) => [camelCase(name), value])) as ModelOptions<Fields>;
}

/** Text data as `config.data`. */
export const dataConfig = ({ kind: _, ...fields }: TextSource): object => fields;

/** The text that `config.data` describes. */
export function dataOf({ paths, tokenizer, validation_fraction, max_bytes, field }: TrainConfig['data']): TextSource {
  const options = {
    tokenizer:
      tokenizer.file === null
        ? { train: tokenizer.train, vocab: tokenizer.vocab, min_frequency: tokenizer.min_frequency }
        : { file: tokenizer.file, ...(tokenizer.separator !== null && { separator: tokenizer.separator }) },
    validation_fraction,
    max_bytes,
    field,
  };
  return paths === null ? installed(options) : text(paths, options);
}

/** An optimizer as `config.optimizer`. */
export const optimizerConfig = ({ kind, lr, weightDecay, decay, clip, beta1, beta2, eps }: AdamW): object => ({
  name: kind,
  ...scheduleConfig(lr),
  weight_decay: weightDecay,
  decay,
  clip_grad_norm: clip,
  beta1,
  beta2,
  eps,
});

/** The optimizer that `config.optimizer` describes. */
export const optimizerOf = (config: TrainConfig['optimizer']): AdamW => ({
  kind: config.name,
  lr: scheduleOf(config),
  weightDecay: config.weight_decay,
  decay: config.decay,
  clip: config.clip_grad_norm,
  beta1: config.beta1,
  beta2: config.beta2,
  eps: config.eps,
});

/** A learning-rate schedule as fields of `config.optimizer`. */
function scheduleConfig({ kind, peak, warmup, steps, floor, start }: Schedule): object {
  return {
    lr: peak,
    schedule: kind,
    warmup_steps: warmup,
    warmup_init: start,
    decay_steps: steps,
    min_lr_ratio: kind === 'constant' || peak === 0 ? 1 : floor / peak,
  };
}

function scheduleOf({ lr, schedule, ...fields }: TrainConfig['optimizer']): Schedule {
  return {
    kind: schedule,
    peak: lr,
    warmup: fields.warmup_steps ?? 0,
    steps: fields.decay_steps,
    floor: schedule === 'constant' ? 0 : fields.min_lr_ratio * lr,
    start: fields.warmup_init,
  };
}

/** `{ kvHeads: 2 }` as `{ kv_heads: 2 }`; fields without a value are left out. */
function snakeCaseKeys(object: object): object {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [snakeCase(key), value]));
}

const isConfigObject = (value: object): value is ConfigObject =>
  'toConfig' in value && typeof value.toConfig === 'function';

const isAdamW = (value: object): value is AdamW =>
  'kind' in value && value.kind === 'adamw' && 'weightDecay' in value && isObject(Reflect.get(value, 'lr'));

const isTextSource = (value: object): value is TextSource =>
  'kind' in value &&
  value.kind === 'text' &&
  'validation_fraction' in value &&
  isObject(Reflect.get(value, 'tokenizer'));

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
