/** How long a run is: a number of steps from the start, or one that ten timed steps give for a number of minutes. */

/** Steps before the timed ones: the first ones fill caches and are slower. */
const warmUpSteps = 2;
const timedSteps = 10;

/** Steps done when the length of a run of so many minutes is decided. */
export const decidedAfter = warmUpSteps + timedSteps;

export interface LengthRequest {
  readonly minutes: number;
  /** Seconds of each step so far. */
  readonly stepSeconds: readonly number[];
  /** Training steps' worth of time that validation takes, for each training step. */
  readonly overhead: number;
}

/** Steps that fit into the minutes, those done included. */
export function stepsOfMinutes({ minutes, stepSeconds, overhead }: LengthRequest): number {
  const timed = stepSeconds.slice(warmUpSteps);
  const mean = timed.reduce((a, b) => a + b, 0) / timed.length;
  const spent = stepSeconds.reduce((a, b) => a + b, 0);
  return Math.max(
    stepSeconds.length + 1,
    stepSeconds.length + Math.floor((60 * minutes - spent) / (mean * (1 + overhead))),
  );
}

/** A validation batch computes forwards only: about a third of a step. */
export function validationOverhead({
  every,
  batches,
}: {
  readonly every: number | null;
  readonly batches: number;
}): number {
  return every === null ? 0 : batches / 3 / every;
}
