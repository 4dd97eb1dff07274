/** When each slot of a table ends, where every slot takes one unit of time and messages none. */
import type { ScheduleTable, Slot } from './slot.js';

/** Where a slot stands in its table, and when it ends; Infinity where the table never comes to it. */
export interface SlotTime {
  readonly group: number;
  readonly position: number;
  readonly end: number;
}

export interface SlotTimes {
  /** Throws where the table has no such slot. */
  get(slot: Slot): SlotTime;
}

/**
 * A group begins its next slot when what it reads is there: the forward of the chunk before, for a backward that of the chunk behind and its
 * own forward, for weights its own backward.
 */
export function endTimes(table: ScheduleTable): SlotTimes {
  const orders = table.map((entries) => entries.flatMap((entry) => ('woven' in entry ? [...entry.woven] : [entry])));
  const known = new Map<string, { readonly group: number; readonly position: number; end: number }>();
  const last = Math.max(...orders.flat().map(({ chunk }) => chunk));
  orders.forEach((order, group) =>
    order.forEach((slot, position) => known.set(slotText(slot), { group, position, end: Infinity })),
  );
  const next = orders.map(() => 0);
  const free = orders.map(() => 0);
  for (let moved = true; moved;) {
    moved = false;
    orders.forEach((order, group) => {
      for (; next[group] < order.length; next[group]++) {
        const slot = order[next[group]];
        const ready = Math.max(0, ...before(slot, last).map((one) => known.get(slotText(one))?.end ?? Infinity));
        if (ready === Infinity) return;
        free[group] = Math.max(free[group], ready) + 1;
        known.get(slotText(slot))!.end = free[group];
        moved = true;
      }
    });
  }
  return {
    get(slot) {
      const time = known.get(slotText(slot));
      if (!time) throw new Error(`the table has no slot ${slotText(slot)}`);
      return time;
    },
  };
}

function before(slot: Slot, lastChunk: number): readonly Slot[] {
  const { chunk } = slot;
  switch (slot.direction) {
    case 'forward':
      return chunk === 0 ? [] : [{ ...slot, chunk: chunk - 1 }];
    case 'backward':
      return [{ ...slot, direction: 'forward' }, ...(chunk === lastChunk ? [] : [{ ...slot, chunk: chunk + 1 }])];
    case 'weight':
      return [{ ...slot, direction: 'backward' }];
  }
}

const slotText = ({ chunk, direction, microbatch }: Slot): string => `${direction} ${chunk} @${microbatch}`;
