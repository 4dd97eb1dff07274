import { letters, slotName, slotsOf, type ScheduleTable, type Slot } from './slot.js';
import { timeline } from './timeline.js';

/** What a picture is drawn of: durations as in {@link timeline}, and how many of their units are one column. */
export interface PictureOptions {
  readonly seconds: (slot: Slot) => number;
  readonly message?: number;
  readonly unit?: number;
}

/** What stands at one place of a picture: one slot or two woven ones, over columns `begin` (inclusive) to `end` (exclusive). */
export interface PictureCell {
  readonly slots: readonly Slot[];
  readonly begin: number;
  readonly end: number;
}

/**
 * The cells of each group in order of time. Times that are no multiple of the unit are rounded to columns; a slot has one at least, which
 * moves on what follows it on its group.
 */
export function pictureCells(
  table: ScheduleTable,
  { seconds, message, unit = 1 }: PictureOptions,
): readonly (readonly PictureCell[])[] {
  return timeline(table, { seconds, message }).groups.map(({ slots }) => {
    const cells: PictureCell[] = [];
    slots.forEach(({ slot, begin, end, wovenWith }, i) => {
      // Of two woven slots, which follow each other, the first stands for both.
      if (wovenWith && slots[i - 1]?.slot === wovenWith) return;
      const from = Math.max(cells.at(-1)?.end ?? 0, Math.round(begin / unit));
      const to = Math.max(from + 1, Math.round(end / unit));
      cells.push({ slots: wovenWith ? [slot, wovenWith] : [slot], begin: from, end: to });
    });
    return cells;
  });
}

/** Whether each group has one chunk: then a slot's chunk need not be named. */
export const isStraight = (table: ScheduleTable): boolean =>
  table.every((order) => new Set(order.flatMap(slotsOf).map(({ chunk }) => chunk)).size <= 1);

/**
 * A table as text: one line a group, time to the right in columns of one unit. `·` is a column without work; `─` fills the columns of a slot
 * that takes several. Slots are named by direction and microbatch, with their chunk in front where a group has several.
 *
 *   group 0  F0 F1 ·  ·  B0─── ·  B1───
 *   group 1  ·  F0 B0─── F1 B1─── ·  ·
 */
export function pictureOf(table: ScheduleTable, options: PictureOptions): string {
  const groups = pictureCells(table, options);
  const straight = isStraight(table);
  const label = ({ slots }: PictureCell) =>
    slots.map((slot) => (straight ? `${letters[slot.direction]}${slot.microbatch}` : slotName(slot))).join('+');
  const cells = groups.flat();
  const columns = cells.reduce((most, { end }) => Math.max(most, end), 0);
  const width = cells.reduce(
    (most, cell) => Math.max(most, Math.ceil((label(cell).length + 1) / (cell.end - cell.begin))),
    2,
  );
  const idle = '·'.padEnd(width);
  return groups
    .map((group, i) => {
      let line = `group ${String(i).padEnd(String(groups.length - 1).length)}  `;
      let column = 0;
      for (const cell of group) {
        line += idle.repeat(cell.begin - column);
        line += `${label(cell).padEnd((cell.end - cell.begin) * width - 1, '─')} `;
        column = cell.end;
      }
      return (line + idle.repeat(columns - column)).trimEnd();
    })
    .join('\n');
}
