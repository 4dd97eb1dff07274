/** What sampling is asked for, checked. */
import type { z } from 'zod';
import type { ModelChoice } from '../config/own_model.js';
import { configSchema, type TrainConfig } from '../config/schema.js';
import { requireSettings, type Names } from '../config/settings.js';
import { parseOptions } from '../options/parse.js';
import { optionRows, type OptionRow } from '../options/rows.js';
import type { CheckpointChoice } from '../run/checkpoint_choice.js';

/**
 * All optional; `model`: see {@link ModelChoice}. What is drawn and how are the fields of `config.sample` and `config.seed`, with their
 * defaults: a prompt that is empty is the start of a document.
 */
export interface GenerateSettings extends ModelChoice, Partial<Sampling> {
  /** Where to compute; absent: where the run was to. */
  readonly device?: TrainConfig['device'];
  /** Whether a model that is not the one that the run has trained is sampled from. Default false: it is refused. */
  readonly accept_model_change?: boolean;
  /** The checkpoint whose weights are taken: a step, the name of its folder, or `latest`; absent or null: the latest. */
  readonly checkpoint?: CheckpointChoice | null;
  /** Told of each piece of the text as it comes. */
  readonly onText?: (text: string) => void;
}

const names: Names<GenerateSettings> = {
  prompt: true,
  tokens: true,
  temperature: true,
  top_k: true,
  seed: true,
  device: true,
  accept_model_change: true,
  checkpoint: true,
  onText: true,
  model: true,
  trust_code: true,
};

/** Throws `config/unknown-setting`, `config/wrong-option`. */
export const requireGenerateSettings = (settings: GenerateSettings): void =>
  requireSettings('generate', settings, names);

const samplingSchema = configSchema.shape.sample.unwrap().extend({
  seed: configSchema.shape.seed.meta({ description: 'The same seed gives the same text.', unit: 'seed' }),
});

/** How tokens are drawn: the fields of `config.sample`, and a seed. The same seed gives the same text. */
export type Sampling = Readonly<z.output<typeof samplingSchema>>;

/** The options of sampling. */
export const samplingRows = (): readonly OptionRow[] => optionRows(samplingSchema);

/** Where settings were written, for messages: all of them, or each by its name. */
export type SettingSource = string | ((setting: string) => string);

/** How to sample, what is left out filled in. Throws `config/unknown-setting` and `config/wrong-option`. */
export function samplingOf(settings: GenerateSettings, source: SettingSource = 'settings of generate()'): Sampling {
  requireGenerateSettings(settings);
  const { prompt, tokens, temperature, top_k, seed } = settings;
  return parseOptions(samplingSchema, { prompt, tokens, temperature, top_k, seed }, source);
}
