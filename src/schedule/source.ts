/** Where the slots of a table were written, and in which words: for messages, and beside the table, which is the same without. */
import type { Place } from '../ir/diagnostic.js';
import { entryName, slotName, slotsOf, type ScheduleTable, type Slot } from './slot.js';

/** Where an entry was written. */
export interface EntrySource {
  /** Within the file: `line 1, cell 3`. */
  readonly at: string;
  /** As the file has it. */
  readonly text: string;
  /** What the file calls each of its slots. */
  readonly words: readonly string[];
}

export interface TableSource {
  /** What holds the table: `mine.csv`, or `plan.json, schedule.table`. */
  readonly file: string;
  /** Of each group, in the order of the table. */
  readonly entries: readonly (readonly EntrySource[])[];
  /** What the file calls a slot, whether it has it or not. */
  readonly nameOf: (slot: Slot) => string;
  /** What the file calls the row of a group. */
  readonly rowOf: (group: number) => string;
}

/** A table in our own form: groups and their slots count from 0. */
export const sourceOfTable = (table: ScheduleTable, file = 'schedule'): TableSource => ({
  file,
  entries: table.map((order, group) =>
    order.map((entry, position) => ({
      at: slotAt(group, position),
      text: entryName(entry),
      words: slotsOf(entry).map(slotName),
    })),
  ),
  nameOf: slotName,
  rowOf: (group) => `group ${group}`,
});

/** `group 0, slot 2`: the third of the first. */
export const slotAt = (group: number, position: number): string => `group ${group}, slot ${position}`;

/** One entry as messages point at it. */
export const placeOf = ({ file, entries }: TableSource, group: number, position: number, note: string): Place => ({
  at: `${file}, ${entries[group][position].at}`,
  note,
});
