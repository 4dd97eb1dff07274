/**
 * From what a user wrote to a configuration with every field present, or one clear error.
 *
 * Order: objects become data, `--set` overrides are applied, the schema is checked (unknown fields, types, ranges), fields that
 * follow from others are filled in, and fields that contradict each other are refused. Nothing here depends on the machine.
 */
import { LanguageModel } from '../nn/language_model.js';
import { familyNamed } from '../nn/models/families.js';
import { warmupCut, warmupOf } from '../optim/schedule.js';
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
  const written = parsed.data;
  const [conflict] = conflictsOf(written);
  if (conflict) throw optionConflict({ ...conflict, sourceOf });
  const config = fillIn(written);
  const given = options.model;
  const customModel = config.model.family === 'custom' && given instanceof LanguageModel ? given : null;
  return { config, customModel, modelFile: null, warnings: warmupWarnings(written) };
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

/** Says of a run that is shorter than its warm-up that this is cut. */
function warmupWarnings({ optimizer, steps }: TrainConfig): ResolvedConfig['warnings'] {
  const cut = steps === null ? null : warmupCut(optimizer, steps);
  return cut === null ? [] : [cut];
}

/** Fields that follow from other fields. */
function fillIn(config: TrainConfig): TrainConfig {
  const { model, optimizer, steps, minutes } = config;
  const complete = familyNamed(model.family)?.complete as
    ((model: TrainConfig['model']) => TrainConfig['model']) | undefined;
  return {
    ...config,
    model: complete?.(model) ?? model,
    // Of so many minutes the steps, and so the usual warm-up, are known once some are timed.
    optimizer: isLong(config) ? optimizer : { ...optimizer, warmup_steps: warmupOf(optimizer, steps) },
    minutes: steps === null && minutes === null ? usualMinutes : minutes,
  };
}

/** Whether neither the steps of the run nor those of its schedule are known. */
const isLong = ({ steps, optimizer }: TrainConfig): boolean => steps === null && optimizer.decay_steps === null;

/** Length of a run where none is said. */
const usualMinutes = 5;
