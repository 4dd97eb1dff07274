/**
 * A pipeline schedule as a table: for each group, the order in which it does its work. Pure data: generators make it, files hold it,
 * {@link ./check.ts} finds what is wrong with it, {@link ./timeline.ts} runs it against a clock.
 *
 *   1f1b, 2 groups, 3 microbatches       group 0: 0F0 0F1 0B0 0F2 0B1 0B2        group 1: 1F0 1B0 1F1 1B1 1F2 1B2
 *
 * A slot is written as chunk, direction (F, B, W), microbatch; `a+b` is two slots that run woven. A 'backward' gives the gradients of
 * activations and of weights, unless the table has 'weight' slots for its chunk: then it gives those of activations alone.
 */

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

export const forward = (chunk: number, microbatch: number): Slot => ({ chunk, direction: 'forward', microbatch });
export const backward = (chunk: number, microbatch: number): Slot => ({ chunk, direction: 'backward', microbatch });
export const weight = (chunk: number, microbatch: number): Slot => ({ chunk, direction: 'weight', microbatch });

/** The slots of an entry: one, or the two that are woven. */
export const slotsOf = (entry: Entry): readonly Slot[] => ('woven' in entry ? entry.woven : [entry]);

/** The letter of each direction, in names of slots and in files. */
export const letters: Readonly<Record<Direction, string>> = { forward: 'F', backward: 'B', weight: 'W' };

/** The direction of each letter. */
export const directions: Readonly<Record<string, Direction>> = { F: 'forward', B: 'backward', W: 'weight' };

/** `1F3`: chunk 1, forward, microbatch 3. */
export const slotName = ({ chunk, direction, microbatch }: Slot): string =>
  `${chunk}${letters[direction]}${microbatch}`;

/** `1F3`, or `0F4+1B2` where two slots are woven. */
export const entryName = (entry: Entry): string => slotsOf(entry).map(slotName).join('+');

/** The chunks whose backward the table splits: those that have 'weight' slots. */
export const splitChunks = (table: ScheduleTable): ReadonlySet<number> =>
  new Set(
    table
      .flat()
      .flatMap(slotsOf)
      .filter(({ direction }) => direction === 'weight')
      .map(({ chunk }) => chunk),
  );
