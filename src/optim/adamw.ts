/** What an AdamW update is told at each step; `options.ts` says what the optimizer is, and `update.ts` builds the graph. */
import type { AdamW } from './options.js';
import { learningRate } from './schedule.js';

/** The scalars of an update, by the names of the update graph's inputs. */
export interface AdamWScalars {
  readonly lr: number;
  /** 1 − beta1^t, where t counts this update too. */
  readonly correction1: number;
  readonly correction2: number;
}

/** Scalars of the update after `step` finished ones, in a run of `runSteps`. */
export function adamwScalars(optimizer: AdamW, step: number, runSteps: number): AdamWScalars {
  return {
    lr: learningRate(optimizer, step, runSteps),
    correction1: 1 - optimizer.beta1 ** (step + 1),
    correction2: 1 - optimizer.beta2 ** (step + 1),
  };
}
