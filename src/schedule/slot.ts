/** A slot of a pipeline schedule, and the table that orders them. */

/** What a slot does for one chunk of the model and one scheduled microbatch. weight: the gradients of weights, where the schedule splits them from the backward. */
export type Direction = 'forward' | 'backward' | 'weight';

export interface Slot {
  readonly chunk: number;
  readonly direction: Direction;
  readonly microbatch: number;
}

/** Two slots that run woven: they switch at each launch of communication (DualPipe). */
export interface Woven {
  readonly woven: readonly [Slot, Slot];
}

export type Entry = Slot | Woven;

/** For each group, its order of work. */
export type ScheduleTable = readonly (readonly Entry[])[];
