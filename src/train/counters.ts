/**
 * What a run has done: steps, samples and tokens. They are counted, not multiplied out: a run that was resumed under another batch has
 * steps of several sizes behind it.
 */
import type { Manifest } from '../checkpoint/index.js';

export interface Counters {
  readonly step: number;
  /** Sequences read, all ranks together: the place in the order where the next step begins. */
  readonly samples: number;
  readonly tokens: number;
}

/** Counters of a checkpoint; of no checkpoint, zeros. `context`: tokens of a sequence, from which format 1 tells its samples. */
export function countersOf(manifest: Manifest | null, context: number): Counters {
  if (manifest === null) return { step: 0, samples: 0, tokens: 0 };
  const { step, tokens_seen: tokens, samples_seen: samples = tokens / context } = manifest;
  return { step, samples, tokens };
}

export interface Counting {
  /** Counters when this process began. */
  readonly begins: Counters;
  readonly config: { readonly batch: { readonly sequences: number } };
  /** Of all ranks. */
  readonly tokensPerStep: number;
}

/** Counters once `step` steps of the run are done, those since the process began under its own batch. */
export function countersAt({ begins, config, tokensPerStep }: Counting, step: number): Counters {
  const steps = step - begins.step;
  return {
    step,
    samples: begins.samples + steps * config.batch.sequences,
    tokens: begins.tokens + steps * tokensPerStep,
  };
}
