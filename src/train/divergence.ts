/** What makes numbers grow beyond bounds, most likely first: the learning rate as it was, what would tame it, and only then the data. */
import { counted } from '../ir/units.js';
import type { AdamW } from '../optim/options.js';
import { warmupOf } from '../optim/schedule.js';
import type { Plan } from '../plan/plan.js';
import type { MadeUpdate, TrainingStep } from './training_step.js';

/**
 * What is to be changed, in words, where `step` (from 1) came to numbers that are not finite; null where this process had made no update
 * before it.
 */
export function tamingOf(
  { optimizer, plan }: { readonly optimizer: AdamW; readonly plan: Pick<Plan, 'precision'> },
  { weightsFrom: update, runSteps }: Pick<TrainingStep, 'weightsFrom' | 'runSteps'>,
  step: number,
): string | null {
  if (update === null) return null;
  const changes = [
    'lower optimizer.lr',
    'lengthen optimizer.warmup_steps',
    ...(optimizer.clip_grad_norm === null ? ['set optimizer.clip_grad_norm, which is null'] : []),
    ...(plan.precision.compute === 'bf16' ? ['set precision to f32'] : []),
  ];
  return `${rateText(optimizer, update, runSteps)}: ${listed(changes)}; where that does not help, look at the data of step ${step}`;
}

/** `the last update, of step 3, had a learning rate of 0.05 (optimizer.lr 0.1, cosine, 5 steps of warm-up)` */
function rateText(optimizer: AdamW, { step, lr }: MadeUpdate, runSteps: number | null): string {
  const warmup = counted(warmupOf(optimizer, runSteps), 'step');
  const from = `optimizer.lr ${numberText(optimizer.lr)}, ${optimizer.schedule}, ${warmup} of warm-up`;
  return `the last update, of step ${step + 1}, had a learning rate of ${numberText(lr)} (${from})`;
}

const listed = (all: readonly string[]): string => `${all.slice(0, -1).join(', ')} or ${all[all.length - 1]}`;

const numberText = (value: number): string => String(Number(value.toPrecision(4)));
