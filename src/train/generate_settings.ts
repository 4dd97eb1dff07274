/** What sampling is asked for, checked. */
import { z } from 'zod';
import { explainIssues } from '../config/issues.js';
import type { ModelChoice } from '../config/own_model.js';
import { configSchema, type TrainConfig } from '../config/schema.js';
import { requireSettings, type Names } from '../config/settings.js';
import type { CheckpointChoice } from '../run/checkpoint_choice.js';

/** All optional; `null` is a value of its own. `model`: see {@link ModelChoice}. */
export interface GenerateSettings extends ModelChoice {
  /** Text to go on from; empty, the default: the start of a document. */
  readonly prompt?: string;
  /** How many to add. Default 120. */
  readonly tokens?: number;
  /** Divides the logits; 0 takes the likeliest token. Default 0.8. */
  readonly temperature?: number;
  /** Only so many of the likeliest tokens are drawn from; null: all. Default 40. */
  readonly topK?: number | null;
  /** The same seed gives the same text. Default 0. */
  readonly seed?: number;
  /** Where to compute; absent: where the run was to. */
  readonly device?: TrainConfig['device'];
  /** Whether a model that is not the one that the run has trained is sampled from. Default false: it is refused. */
  readonly acceptModelChange?: boolean;
  /** The checkpoint whose weights are taken: a step, the name of its folder, or `latest`; absent or null: the latest. */
  readonly checkpoint?: CheckpointChoice | null;
  /** Told of each piece of the text as it comes. */
  readonly onText?: (text: string) => void;
}

const names: Names<GenerateSettings> = {
  prompt: true,
  tokens: true,
  temperature: true,
  topK: true,
  seed: true,
  device: true,
  acceptModelChange: true,
  checkpoint: true,
  onText: true,
  model: true,
  trustCode: true,
};

/** Throws `config/unknown-setting`, `config/wrong-option`. */
export const requireGenerateSettings = (settings: GenerateSettings): void =>
  requireSettings('generate', settings, names);

export interface Sampling {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK: number | null;
  readonly seed: number;
}

const schema = z.object({ sample: configSchema.shape.sample, seed: configSchema.shape.seed });

/**
 * How to sample, what is left out filled in. Throws `config/unknown-setting` and `config/wrong-option`: ranges and defaults are those of
 * the configuration's own fields, `sample.temperature` and the like.
 */
export function samplingOf(settings: GenerateSettings): Sampling {
  requireGenerateSettings(settings);
  const { prompt, tokens, temperature, topK, seed } = settings;
  const given = { sample: { prompt, tokens, temperature, top_k: topK }, seed };
  const { data, error } = schema.safeParse(given);
  if (error) throw explainIssues(error.issues, given, 'settings of generate()');
  const { top_k, ...sample } = data.sample;
  return { ...sample, topK: top_k, seed: data.seed };
}

/** Where nothing is said. */
export const usualSampling: Sampling = samplingOf({});
