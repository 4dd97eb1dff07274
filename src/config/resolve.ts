/**
 * From what a user wrote to a configuration with every field present, or one clear error.
 *
 * Order: objects become data, `--set` overrides are applied, the schema is checked (unknown fields, types, ranges), fields that
 * follow from others are filled in, and fields that contradict each other are refused. Nothing here depends on the machine.
 */
import { LanguageModel } from '../nn/language_model.js';
import { refuseConflicts } from './conflicts.js';
import { notAnOptionObject, wrongOption } from './diagnostics.js';
import { explainIssues } from './issues.js';
import { objectConfig } from './objects.js';
import { applyOverrides } from './overrides.js';
import { isPlain, textOf, type Plain } from './plain.js';
import { configSchema, type TrainConfig, type TrainOptions } from './schema.js';

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
  const plain = applyOverrides(toPlain(options, source), overrides);
  const parsed = configSchema.safeParse(withFamily(plain));
  if (!parsed.success) throw explainIssues(parsed.error.issues, plain, source);
  const { config: written, warnings } = fitWarmup(parsed.data);
  const config = fillIn(written);
  refuseConflicts(config, { source, written: written.model });
  const given = options.model;
  const customModel = config.model.family === 'custom' && given instanceof LanguageModel ? given : null;
  return { config, customModel, modelFile: null, warnings };
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
  const warmup = Math.floor(steps / 10);
  const message = `the run has ${steps} steps, so its warm-up is cut from ${asked} to ${warmup}`;
  return {
    config: { ...config, optimizer: { ...optimizer, warmup_steps: warmup } },
    warnings: [{ code: 'config/warm-up-cut', message }],
  };
}

/** Fields that follow from other fields. */
function fillIn(config: TrainConfig): TrainConfig {
  const { model, optimizer, steps, minutes } = config;
  const decaySteps = optimizer.decay_steps ?? steps;
  const warmup = decaySteps === null ? longestWarmup : Math.min(longestWarmup, Math.floor(decaySteps / 10));
  return {
    ...config,
    model: fillInModel(model),
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
