import { runInOrder, slotNumbers } from './dependencies.js';
import { deadlockOf } from './deadlock.js';
import { slotsOf, splitChunks, type Direction, type Entry, type ScheduleTable, type Slot } from './slot.js';

/** A slot as it ran. Two woven slots have the same begin and end. Times are in the unit of the durations given. */
export interface TimedSlot {
  readonly slot: Slot;
  readonly begin: number;
  readonly end: number;
  /** The other slot, where it ran woven. */
  readonly wovenWith: Slot | null;
}

export interface GroupTimeline {
  /** In the order in which they ran. */
  readonly slots: readonly TimedSlot[];
  readonly busySeconds: number;
  /** Time of the step in which the group does nothing: from the step's begin to the end of its last slot, less the time in which it is busy. */
  readonly bubbleSeconds: number;
  /** The same between the begin of the group's own first slot and the end of its own last one. */
  readonly idleSeconds: number;
  /** Activations alive at once, in chunks × microbatches, where one lives from the begin of its forward to the end of its backward. */
  readonly peakToBackward: number;
  /** The same where an activation of a split backward lives to the end of its weight slot. At least {@link peakToBackward}. */
  readonly peakToWeight: number;
}

export interface Timeline {
  readonly seconds: number;
  readonly groups: readonly GroupTimeline[];
}

/**
 * Runs a table against a clock: each group does its slots in order, each begins when its group is free and what it depends on is done.
 * `seconds` is a slot's duration; two woven slots take the sum of theirs and hold each other up: both begin when all that either needs is
 * done, both end at the end. `message` is the time of a transfer between groups (0: free); a slot on the same group waits for none.
 * Throws `schedule/deadlock` where the table does not complete,
 * `schedule/slot-missing` where a slot needs one that is not there. Linear in the table.
 */
export function timeline(
  table: ScheduleTable,
  { seconds, message = 0 }: { readonly seconds: (slot: Slot) => number; readonly message?: number },
): Timeline {
  const chunks = table
    .flat()
    .flatMap(slotsOf)
    .reduce((most, { chunk }) => Math.max(most, chunk + 1), 0);
  const numberOf = slotNumbers(table);
  const ends = new Map<number, { readonly end: number; readonly group: number }>();
  const free = table.map(() => 0);
  const busy = table.map(() => 0);
  const timed = table.map((): TimedSlot[] => []);
  const stuck = runInOrder(table, chunks, (entry, group, needs) => {
    const slots = slotsOf(entry);
    let begin = free[group];
    for (const slot of needs) {
      const from = ends.get(numberOf(slot))!;
      begin = Math.max(begin, from.end + (from.group === group ? 0 : message));
    }
    const duration = slots.reduce((sum, slot) => sum + seconds(slot), 0);
    const end = begin + duration;
    free[group] = end;
    busy[group] += duration;
    slots.forEach((slot, i) => {
      ends.set(numberOf(slot), { end, group });
      timed[group].push({ slot, begin, end, wovenWith: slots.length > 1 ? slots[1 - i] : null });
    });
  });
  if (stuck.length > 0) throw deadlockOf(table, stuck);
  const total = Math.max(0, ...free);
  const split = splitChunks(table);
  return {
    seconds: total,
    groups: table.map((order, group) => ({
      slots: timed[group],
      busySeconds: busy[group],
      bubbleSeconds: total - busy[group],
      idleSeconds: order.length > 0 ? free[group] - timed[group][0].begin - busy[group] : 0,
      peakToBackward: peakOf(order, ({ direction }) => direction === 'backward'),
      peakToWeight: peakOf(order, ({ chunk, direction }) => direction === (split.has(chunk) ? 'weight' : 'backward')),
    })),
  };
}

/**
 * Durations by direction, in the timeline's unit: `backward` is the gradients of activations alone, `weight` those of weights, which a
 * backward that the table does not split makes too.
 */
export function secondsByDirection(
  table: ScheduleTable,
  { forward, backward, weight }: Readonly<Record<Direction, number>>,
): (slot: Slot) => number {
  const split = splitChunks(table);
  return ({ chunk, direction }) =>
    direction === 'forward'
      ? forward
      : direction === 'weight'
        ? weight
        : split.has(chunk)
          ? backward
          : backward + weight;
}

/** Activations alive at once on a group that works in this order, of which each ends with the slot that `ends` tells. */
function peakOf(order: readonly Entry[], ends: (slot: Slot) => boolean): number {
  let [alive, peak] = [0, 0];
  for (const slots of order.map(slotsOf)) {
    alive += slots.filter(({ direction }) => direction === 'forward').length;
    peak = Math.max(peak, alive);
    alive -= slots.filter(ends).length;
  }
  return peak;
}
