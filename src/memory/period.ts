/**
 * The part of a schedule that repeats: what a step does with some microbatches, again with those that follow.
 *
 *   F0 F1 | B0 F2 | B1 F3 | B2 F4 | B3 B4      every two steps the same texts, one microbatch later
 *
 * It is found in the schedule, never assumed: an interleaved schedule of few microbatches has none.
 */

/** A step of a schedule, by what repeats of it. */
interface Step {
  readonly template: string;
  readonly microbatch: number;
}

export interface Period {
  /** Where the first period begins. */
  readonly from: number;
  /** Steps of the schedule in one, and the microbatches by which it moves on. */
  readonly steps: number;
  readonly microbatches: number;
  /** How many there are, one behind the other. */
  readonly count: number;
}

/** The period with the fewest microbatches around the middle of the schedule; null where there are not four of one. */
export function periodOf(schedule: readonly Step[]): Period | null {
  const places = new Map(schedule.map((step, i) => [text(step, 0), i]));
  const middle = Math.floor(schedule.length / 2);
  if (schedule.length === 0) return null;
  const each = schedule.filter(({ microbatch }) => microbatch === schedule[middle].microbatch).length;
  for (let microbatches = 1; microbatches <= mostMicrobatches; microbatches++) {
    const again = places.get(text(schedule[middle], microbatches));
    if (again === undefined || again <= middle) continue;
    const steps = again - middle;
    // A run within a round of an interleaved schedule repeats too, and leaves the rest of its microbatches to others.
    if (steps !== each * microbatches) continue;
    const repeats = (i: number) =>
      i >= 0 && i + steps < schedule.length && text(schedule[i], microbatches) === text(schedule[i + steps], 0);
    let from = middle;
    while (repeats(from - 1)) from--;
    let to = middle;
    while (repeats(to)) to++;
    const count = Math.floor((to + steps - from) / steps);
    if (count >= 4) return { from, steps, microbatches, count };
  }
  return null;
}

/** The schedule without so many of its periods; microbatches behind them move up. */
export function withoutPeriods<S extends Step>(schedule: readonly S[], period: Period, removed: number): readonly S[] {
  const { from, steps, microbatches, count } = period;
  const cut = from + Math.floor((count - removed) / 2) * steps;
  return [
    ...schedule.slice(0, cut),
    ...schedule
      .slice(cut + removed * steps)
      .map((step) => ({ ...step, microbatch: step.microbatch - removed * microbatches })),
  ];
}

/** More microbatches in a period than any schedule has that can be generated for 64 groups. */
const mostMicrobatches = 256;

const text = ({ template, microbatch }: Step, later: number): string => `${template} @${microbatch + later}`;
