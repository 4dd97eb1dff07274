/**
 * From what a user wrote to a configuration with every field present, or one clear error.
 *
 * Order: objects become data, `--set` overrides are applied, the schema is checked (unknown fields, types, ranges), fields that
 * follow from others are filled in, and fields that contradict each other are refused. Nothing here depends on the machine.
 */
import { LanguageModel } from '../nn/language_model.js';
import { familyNamed } from '../nn/models/families.js';
import { usualWarmup } from '../optim/schedule.js';
import { optionConflict, wrongOption } from '../options/diagnostics.js';
import { explainIssues } from '../options/issues.js';
import { isPlain, textOf, type Plain } from '../options/plain.js';
import { conflictsOf } from './conflicts.js';
import { notAnOptionObject } from './diagnostics.js';
import { modelConfig } from './model_objects.js';
import { applyOverrides, type Override } from './overrides.js';
import { configSchema, describeOptions, type ConfigObject, type TrainConfig, type TrainOptions } from './schema.js';

export interface ResolveOptions {
  /** Applied in order. */
  readonly overrides?: readonly Override[];
  /** Where the configuration comes from, for messages: a file, or the default. */
  readonly source?: string;
}

export interface ResolvedConfig {
  readonly config: TrainConfig;
  /** The model object of a TypeScript config, where it is a module that `config.model` cannot rebuild on its own. */
  readonly customModel: LanguageModel | null;
  /** The module that constructed `customModel`, which ranks import again; null where a script gave the object. */
  readonly modelFile: string | null;
  /** What was filled in otherwise than it was written. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

/**
 * Throws `config/unknown-option`, `config/wrong-option`, `config/option-conflict`, `config/bad-override`,
 * `config/not-an-option-object`.
 */
export function resolveConfig(
  options: TrainOptions,
  { overrides = [], source = 'train() options' }: ResolveOptions = {},
): ResolvedConfig {
  const { options: plain, sourceOf } = applyOverrides(toPlain(options, source), overrides, source);
  const parsed = configSchema.safeParse(withFamily(plain));
  if (!parsed.success) throw explainIssues(parsed.error.issues, plain, describeOptions(), sourceOf);
  const { config: written, warnings } = fitWarmup(parsed.data);
  const [conflict] = conflictsOf(written);
  if (conflict) throw optionConflict({ ...conflict, sourceOf });
  const config = fillIn(written);
  const given = options.model;
  const customModel = config.model.family === 'custom' && given instanceof LanguageModel ? given : null;
  return { config, customModel, modelFile: null, warnings };
}

/** Options as plain data: objects in them replaced by what they say they are. */
function toPlain(options: TrainOptions, source: string): Plain {
  if (!isPlain(options))
    throw wrongOption({ option: 'the configuration', expected: 'an object', given: textOf(options), source });
  const plain: Record<string, unknown> = { ...options };
  for (const option of ['model', 'data', 'optimizer'] as const) {
    const value = options[option];
    const config = typeof value === 'object' && value !== null ? objectConfig(value) : null;
    if (config) plain[option] = config;
    else if (typeof value === 'object' && value !== null && !isPlain(value)) {
      throw notAnOptionObject({ option, given: `an object of class ${value.constructor?.name}`, source });
    }
  }
  return plain;
}

/** What an object given as an option is as plain data; null where it is plain data itself, or cannot say. */
function objectConfig(value: object): object | null {
  if (isConfigObject(value)) return value.toConfig();
  return value instanceof LanguageModel ? modelConfig(value) : null;
}

const isConfigObject = (value: object): value is ConfigObject =>
  'toConfig' in value && typeof value.toConfig === 'function';

/** A model without a family is a GPT. */
function withFamily(plain: Plain): Plain {
  if (!isPlain(plain.model) || 'family' in plain.model) return plain;
  return { ...plain, model: { family: 'gpt', ...plain.model } };
}

/** A run that is shorter than its warm-up, as a first try of a few steps is: the warm-up is cut to what it is by default. */
function fitWarmup(config: TrainConfig): { config: TrainConfig; warnings: ResolvedConfig['warnings'] } {
  const { optimizer, steps } = config;
  const asked = optimizer.warmup_steps;
  if (steps === null || optimizer.decay_steps !== null || asked === null || asked <= steps)
    return { config, warnings: [] };
  const warmup = usualWarmup(optimizer, steps);
  const message = `the run has ${steps} steps, so its warm-up is cut from ${asked} to ${warmup}`;
  return {
    config: { ...config, optimizer: { ...optimizer, warmup_steps: warmup } },
    warnings: [{ code: 'config/warm-up-cut', message }],
  };
}

/** Fields that follow from other fields. */
function fillIn(config: TrainConfig): TrainConfig {
  const { model, data, optimizer, steps, minutes } = config;
  // Of a tokenizer file the size is known once it is read.
  const vocab = model.vocab ?? (data.tokenizer.file === null ? data.tokenizer.vocab : null);
  const complete = familyNamed(model.family)?.complete as
    ((model: TrainConfig['model']) => TrainConfig['model']) | undefined;
  return {
    ...config,
    model: complete?.({ ...model, vocab }) ?? { ...model, vocab },
    optimizer: { ...optimizer, warmup_steps: optimizer.warmup_steps ?? usualWarmup(optimizer, steps) },
    minutes: steps === null && minutes === null ? usualMinutes : minutes,
  };
}

/** Length of a run where none is said. */
const usualMinutes = 5;
