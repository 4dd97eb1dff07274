/**
 * When a group asks for what it receives.
 *
 * Messages to one group leave in the order in which the slots of their sender make them, and a rank takes those of one group in one after the
 * other, so receives from a group are asked for in the order in which their values are made, as far as the table tells. Each is asked for
 * one slot ahead of the slot that reads it, so that it travels under that slot's work; or earlier: where a later one of its lane is needed
 * sooner, and where it is made long before. A sender goes on to its next message to a group when the last one is taken, so by then it must
 * be asked for: with slots that take a unit of time each, nothing then waits for what comes later, whatever the table.
 */
import { slotName, slotsOf, type Entry, type ScheduleTable } from '../schedule/slot.js';
import { timeline, type GroupTimeline } from '../schedule/timeline.js';
import { within, type SlotStep } from './slot_order.js';
import type { Listed } from './sections.js';
import { kindText, type Passage } from './slot_kinds.js';

/** A receive of one microbatch, asked for before the entry at this position of the group's row. */
export interface PlannedReceive {
  readonly passage: Passage;
  readonly microbatch: number;
  readonly before: number;
}

/** When a message leaves: the end of its slot in units of time, then the group, then which message of the group it is. */
type Leaving = readonly [end: number, group: number, number: number];

/**
 * For each group, its receives in the order in which it asks for them. `section`: what a slot of a group runs. `isOnce`: transfers that bring
 * what is made once a step, in the first slot of its kind, whichever microbatch that is on each side.
 */
export function plannedReceives(
  passages: readonly Passage[],
  table: ScheduleTable,
  orders: readonly (readonly SlotStep[])[],
  section: (group: number, step: SlotStep) => readonly Listed[],
  isOnce: (passage: Passage) => boolean,
): readonly (readonly PlannedReceive[])[] {
  const numbers = new Map(passages.map((passage, i) => [passage.transfer as Listed['step'], i]));
  const { groups } = timeline(table, { seconds: () => 1 });
  const leaving = leavingTimes(numbers, groups, orders, section);
  return orders.map((order, group) => {
    const incoming = passages.filter(({ transfer }) => transfer.group === group);
    const begins = entryBegins(table[group], groups[group]);
    const found = order
      .filter(({ piece }) => piece === null || piece.number === 0)
      .flatMap(({ entry, slot, first, microbatch }) =>
        incoming.flatMap((passage) => {
          if (kindText(passage.taken) !== kindText(slot) || (isOnce(passage) && !first)) return [];
          const messages = leaving.get(numbers.get(passage.transfer)!)!;
          const left = isOnce(passage) ? [...messages.values()][0] : messages.get(microbatch)!;
          return [{ passage, microbatch, entry, left }];
        }),
      )
      .sort((a, b) => a.left[0] - b.left[0] || a.left[1] - b.left[1] || a.left[2] - b.left[2]);
    /** Of each sender's group, where the next of its lane is asked for. */
    const latest = new Map<number, number>();
    return found
      .reverse()
      .map(({ passage, microbatch, entry, left: [end] }): PlannedReceive => {
        const { fromGroup } = passage.transfer;
        const asMade = begins.findIndex((begin) => begin >= end);
        const before = Math.min(latest.get(fromGroup) ?? Infinity, Math.max(0, entry - 1), asMade);
        latest.set(fromGroup, before);
        return { passage, microbatch, before };
      })
      .reverse()
      .sort((a, b) => a.before - b.before);
  });
}

/** When each entry of a group's row begins. */
function entryBegins(entries: readonly Entry[], { slots }: GroupTimeline): readonly number[] {
  let next = 0;
  return entries.map((entry) => {
    const { begin } = slots[next];
    next += slotsOf(entry).length;
    return begin;
  });
}

/** Of each transfer, by its number: when its messages leave, by microbatch. */
function leavingTimes(
  numbers: ReadonlyMap<Listed['step'], number>,
  timelines: readonly GroupTimeline[],
  orders: readonly (readonly SlotStep[])[],
  section: (group: number, step: SlotStep) => readonly Listed[],
): ReadonlyMap<number, ReadonlyMap<number, Leaving>> {
  const ends = new Map<string, number>();
  for (const { slots } of timelines) for (const { slot, end } of slots) ends.set(slotName(slot), end);
  const leaving = new Map<number, Map<number, Leaving>>();
  orders.forEach((order, group) => {
    let number = 0;
    for (const step of order) {
      const end = ends.get(slotName({ ...step.slot, microbatch: step.microbatch }))!;
      for (const { step: made, part } of within(section(group, step), step.piece)) {
        if (part !== 'send') continue;
        const transfer = numbers.get(made)!;
        const messages = leaving.get(transfer) ?? new Map<number, Leaving>();
        messages.set(step.microbatch, [end, group, number++]);
        leaving.set(transfer, messages);
      }
    }
  });
  return leaving;
}
