/**
 * AdamW (Loshchilov & Hutter 2019): Adam whose weight decay does not pass through the moments.
 *
 * The optimizer is data; {@link adamwScalars} gives what changes from step to step, and `update.ts` builds the graph.
 */
import { badOption } from './diagnostics.js';
import { constant, learningRate, type Schedule } from './schedule.js';

export interface AdamW {
  readonly kind: 'adamw';
  readonly lr: Schedule;
  /** Share of a weight, times the learning rate, that each step takes off it. */
  readonly weightDecay: number;
  /** `matrices`: only parameters of two or more dimensions decay, so not biases and gains of norms. */
  readonly decay: 'matrices' | 'all';
  /** Largest global norm of the mean gradient, to which larger ones are scaled down; null: no clipping. */
  readonly clip: number | null;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
}

export interface AdamWOptions extends Partial<Omit<AdamW, 'kind' | 'lr'>> {
  /** A schedule, or one rate for ever. */
  readonly lr: Schedule | number;
}

/** Defaults: betas 0.9 and 0.95, eps 1e-8, weight decay 0.1 on matrices, global norm clipped at 1, as in GPT-3 (Brown et al. 2020). */
export function adamw(options: AdamWOptions): AdamW {
  const { lr, weightDecay = 0.1, decay = 'matrices', clip = 1, beta1 = 0.9, beta2 = 0.95, eps = 1e-8 } = options;
  const within = (field: string, value: number, fits: boolean, expected: string) => {
    if (!fits) throw badOption({ optimizer: 'adamw', field, value, expected });
  };
  within('weightDecay', weightDecay, weightDecay >= 0, 'a number that is not negative');
  within('beta1', beta1, beta1 >= 0 && beta1 < 1, 'a number of at least 0 and below 1');
  within('beta2', beta2, beta2 >= 0 && beta2 < 1, 'a number of at least 0 and below 1');
  within('eps', eps, eps >= 0, 'a number that is not negative');
  if (clip !== null) within('clip', clip, clip > 0, 'a positive number, or null for no clipping');
  const schedule = typeof lr === 'number' ? constant({ peak: lr }) : lr;
  return { kind: 'adamw', lr: schedule, weightDecay, decay, clip, beta1, beta2, eps };
}

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
    lr: learningRate(optimizer.lr, step, runSteps),
    correction1: 1 - optimizer.beta1 ** (step + 1),
    correction2: 1 - optimizer.beta2 ** (step + 1),
  };
}
