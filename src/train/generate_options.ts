/** What sampling is asked for, checked. */
import { z } from 'zod';
import { explainIssues } from '../config/issues.js';
import { configSchema, type TrainConfig } from '../config/schema.js';
import type { CheckpointChoice } from '../run/checkpoint_choice.js';

export interface GenerateOptions {
  /** Text to go on from; empty: the start of a document. */
  readonly prompt: string;
  /** How many to add. */
  readonly tokens: number;
  /** Divides the logits; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens are drawn from; null: all. */
  readonly topK: number | null;
  /** The same seed gives the same text. */
  readonly seed: number;
  /** Where to compute; absent: where the run was to. */
  readonly device?: TrainConfig['device'];
  /** Whether a model that is not the one that the run has trained is sampled from. Default false: it is refused. */
  readonly acceptModelChange?: boolean;
  /** The checkpoint whose weights are taken: a step, the name of its folder, or `latest`; absent or null: the latest. */
  readonly checkpoint?: CheckpointChoice | null;
  /** Execute the module that the run folder names for its model, whoever wrote it. */
  readonly trustCode?: boolean;
}

const sampling = z.object({ sample: configSchema.shape.sample, seed: configSchema.shape.seed });

/** Throws `config/wrong-option`: the ranges are those of the configuration's own fields, `sample.temperature` and the like. */
export function checkGenerateOptions({ prompt, tokens, temperature, topK, seed }: GenerateOptions): void {
  const given = { sample: { prompt, tokens, temperature, top_k: topK }, seed };
  const { error } = sampling.safeParse(given);
  if (error) throw explainIssues(error.issues, given, 'options of generate');
}
