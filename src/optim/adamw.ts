/** What an AdamW update is told at each step; `options.ts` says what the optimizer is, and `update.ts` builds the graph. */
import type { AdamW } from './options.js';
import { learningRate } from './schedule.js';

/** The scalars of an update, by the names of the update graph's inputs. */
export interface AdamWScalars {
  readonly lr: number;
  /** 1 − beta1^t, where t counts the updates that were made, this one too. */
  readonly correction1: number;
  readonly correction2: number;
}

/**
 * Scalars of the update of a step, after `step` finished ones in a run of `runSteps`. `updates`: how many of these were not left out. The learning
 * rate goes by steps, as batches do; what the averages lack, by the updates that they hold.
 */
export function adamwScalars(optimizer: AdamW, step: number, runSteps: number, updates = step): AdamWScalars {
  return {
    lr: learningRate(optimizer, step, runSteps),
    correction1: 1 - optimizer.beta1 ** (updates + 1),
    correction2: 1 - optimizer.beta2 ** (updates + 1),
  };
}
