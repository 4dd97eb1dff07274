/**
 * The learning rate: a pure function of the step.
 *
 * `step` counts finished updates, so the first update uses step 0. Warm-up is linear and never idles: of W steps, the k-th of them uses
 * k / (W + 1) of the way from `warmup_init` to `lr`, and the step behind them is at `lr` (as torchtitan and nanoGPT count; Megatron-LM's and
 * Hugging Face's first step has a rate of zero). The decay runs over what warm-up leaves.
 */
import type { AdamW } from './options.js';

/** The fields of an optimizer that say how its learning rate changes. */
export type Schedule = Pick<AdamW, 'lr' | 'schedule' | 'warmup_steps' | 'warmup_init' | 'decay_steps' | 'min_lr_ratio'>;

/** Steps of warm-up where nothing is said and the run is long. */
const longestWarmup = 200;

/** Steps of warm-up of a schedule that says nothing of them. `runSteps`: of the run; null where it is not known yet. */
function usualWarmup({ decay_steps }: Pick<Schedule, 'decay_steps'>, runSteps: number | null): number {
  const steps = decay_steps ?? runSteps;
  return steps === null ? longestWarmup : Math.min(longestWarmup, Math.floor(steps / 10));
}

/**
 * Steps of warm-up in a run of `runSteps` (null: not known yet). A run that is shorter than the warm-up that was asked for, as a first try
 * of a few steps is, takes what is usual for it, unless `decay_steps` says that it is the beginning of a longer schedule.
 */
export function warmupOf(schedule: Schedule, runSteps: number | null): number {
  const { warmup_steps: asked, decay_steps } = schedule;
  const isFit = runSteps === null || decay_steps !== null || (asked ?? 0) <= runSteps;
  return asked !== null && isFit ? asked : usualWarmup(schedule, runSteps);
}

/** What is said of a run that is too short for the warm-up that was asked for; null where it is not. */
export function warmupCut(
  schedule: Schedule,
  runSteps: number,
): { readonly code: string; readonly message: string } | null {
  const [asked, warmup] = [schedule.warmup_steps, warmupOf(schedule, runSteps)];
  if (asked === null || asked === warmup) return null;
  const message = `the run has ${runSteps} steps, so its warm-up is cut from ${asked} to ${warmup}`;
  return { code: 'optim/warm-up-cut', message };
}

/**
 * The rate that the update after `step` finished ones uses, in a run of `runSteps`. The decay: half a period of a cosine (Loshchilov &
 * Hutter 2017, without restarts), a straight line, or none, from `lr` to `min_lr_ratio` of it.
 */
export function learningRate(schedule: Schedule, step: number, runSteps: number): number {
  const { lr, warmup_init } = schedule;
  const warmup = warmupOf(schedule, runSteps);
  if (step < warmup) return warmup_init + (lr - warmup_init) * ((step + 1) / (warmup + 1));
  if (schedule.schedule === 'constant') return lr;
  const floor = floorOf(schedule);
  const steps = schedule.decay_steps ?? runSteps;
  if (step >= steps) return floor;
  const progress = (step - warmup) / (steps - warmup);
  const remaining = schedule.schedule === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return floor + remaining * (lr - floor);
}

/** The rate at the end of the decay. */
const floorOf = ({ schedule, lr, min_lr_ratio }: Schedule): number =>
  schedule === 'constant' ? lr : min_lr_ratio * lr;
