/**
 * When a group asks for what it receives.
 *
 * Messages of one rank leave in the order in which its slots make them, and a rank takes them in one after the other, so receives are asked
 * for in the order in which their values are made anywhere, as far as the table tells. Each is asked for one slot ahead of the slot that
 * reads it, or earlier where a later one of this order is needed sooner: it then travels under that slot's work.
 */
import { slotName, type ScheduleTable } from '../schedule/slot.js';
import { timeline } from '../schedule/timeline.js';
import { piecesOf, type SlotStep } from './slot_order.js';
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

/** For each group, its receives in the order in which it asks for them. `section`: what a slot of a group runs. */
export function plannedReceives(
  passages: readonly Passage[],
  table: ScheduleTable,
  orders: readonly (readonly SlotStep[])[],
  section: (group: number, step: SlotStep) => readonly Listed[],
): readonly (readonly PlannedReceive[])[] {
  const numbers = new Map(passages.map((passage, i) => [passage.transfer as Listed['step'], i]));
  const leaving = leavingTimes(numbers, table, orders, section);
  return orders.map((order, group) => {
    const incoming = passages.filter(({ transfer }) => transfer.group === group);
    const found = order
      .filter(({ piece }) => piece === null || piece === 0)
      .flatMap(({ entry, slot, microbatch }) =>
        incoming.flatMap((passage) => {
          if (kindText(passage.taken) !== kindText(slot)) return [];
          const left = leaving.get(messageText(numbers.get(passage.transfer)!, microbatch));
          return left ? [{ passage, microbatch, entry, left }] : [];
        }),
      )
      .sort((a, b) => a.left[0] - b.left[0] || a.left[1] - b.left[1] || a.left[2] - b.left[2]);
    let latest = Infinity;
    return found
      .reverse()
      .map(({ passage, microbatch, entry }): PlannedReceive => {
        latest = Math.min(latest, Math.max(0, entry - 1));
        return { passage, microbatch, before: latest };
      })
      .reverse();
  });
}

/** Of every message that leaves in a step, by the number of its transfer. */
function leavingTimes(
  numbers: ReadonlyMap<Listed['step'], number>,
  table: ScheduleTable,
  orders: readonly (readonly SlotStep[])[],
  section: (group: number, step: SlotStep) => readonly Listed[],
): ReadonlyMap<string, Leaving> {
  const ends = new Map<string, number>();
  for (const { slots } of timeline(table, { seconds: () => 1 }).groups)
    for (const { slot, end } of slots) ends.set(slotName(slot), end);
  const leaving = new Map<string, Leaving>();
  orders.forEach((order, group) => {
    let number = 0;
    for (const step of order) {
      const end = ends.get(slotName({ ...step.slot, microbatch: step.microbatch }))!;
      const all = section(group, step);
      for (const { step: transfer, part } of step.piece === null ? all : piecesOf(all)[step.piece]) {
        if (part !== 'send') continue;
        leaving.set(messageText(numbers.get(transfer)!, step.microbatch), [end, group, number++]);
      }
    }
  });
  return leaving;
}

const messageText = (transfer: number, microbatch: number): string => `${transfer} @${microbatch}`;
