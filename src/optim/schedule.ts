/**
 * Learning-rate schedules: pure functions of the step, as data that a run stores.
 *
 * `step` counts finished updates, so the first update uses step 0. As in Megatron-LM (`OptimizerParamScheduler.get_lr`) and Hugging
 * Face (`get_cosine_schedule_with_warmup`), warm-up is linear from `start` and the decay runs over what warm-up leaves.
 */
import { badSchedule } from './diagnostics.js';

export interface Schedule {
  readonly kind: 'constant' | 'linear' | 'cosine';
  /** The learning rate at the end of warm-up. */
  readonly peak: number;
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Steps of the whole schedule, warm-up included; past it the rate is `floor`. Null: the number of steps of the run. */
  readonly steps: number | null;
  /** The learning rate at the end of the decay. */
  readonly floor: number;
  /** The learning rate before the first step of warm-up. */
  readonly start: number;
}

export interface ScheduleOptions {
  readonly peak: number;
  readonly warmup?: number;
  readonly steps?: number;
  readonly floor?: number;
  readonly start?: number;
}

/** Half a period of a cosine from `peak` to `floor` (Loshchilov & Hutter 2017, without restarts). */
export const cosine = (options: ScheduleOptions): Schedule => schedule('cosine', options);

/** A straight line from `peak` to `floor`. */
export const linear = (options: ScheduleOptions): Schedule => schedule('linear', options);

/** `peak` after warm-up, for ever. */
export const constant = (options: Omit<ScheduleOptions, 'steps' | 'floor'>): Schedule => schedule('constant', options);

/** The rate that the update after `step` finished ones uses. `runSteps` stands in for a schedule without `steps` of its own. */
export function learningRate(schedule: Schedule, step: number, runSteps: number): number {
  const { peak, floor, start, warmup } = schedule;
  if (step < warmup) return start + (peak - start) * (step / warmup);
  if (schedule.kind === 'constant') return peak;
  const steps = schedule.steps ?? runSteps;
  if (step >= steps) return floor;
  const progress = (step - warmup) / (steps - warmup);
  const remaining = schedule.kind === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return floor + remaining * (peak - floor);
}

function schedule(kind: Schedule['kind'], options: ScheduleOptions): Schedule {
  const made: Schedule = {
    kind,
    peak: options.peak,
    warmup: options.warmup ?? 0,
    steps: options.steps ?? null,
    floor: options.floor ?? 0,
    start: options.start ?? 0,
  };
  for (const field of ['peak', 'warmup', 'steps', 'floor', 'start'] as const) {
    const value = made[field];
    if (value !== null && !(value >= 0 && Number.isFinite(value))) throw badSchedule({ kind, field, value });
  }
  return made;
}
