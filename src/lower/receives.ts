/**
 * When a group asks for what it receives.
 *
 * Messages of one rank leave in the order in which its slots make them, and a rank takes them in one after the other, so receives are asked
 * for in the order in which their values are made anywhere, as far as the table tells. Each is asked for one slot ahead of the slot that
 * reads it, so that it travels under that slot's work; or earlier: where a later one of this order is needed sooner, and where it is made
 * long before. A sender goes on to its next message of a kind when the last one is taken, so by then it must be asked for: with slots that
 * take a unit of time each, nothing then waits for what comes later, whatever the table.
 */
import { slotName, type Slot } from '../schedule/slot.js';
import { timeline } from '../schedule/timeline.js';
import { kindText, type Passage } from './slot_kinds.js';

/** A receive of one microbatch, asked for before the slot at this position of the group's order. */
export interface PlannedReceive {
  readonly passage: Passage;
  readonly microbatch: number;
  readonly before: number;
}

/**
 * `isOnce`: transfers that bring what is made once a step, in the first slot of its kind, whichever microbatch that is on each side. Slots
 * that run woven are told one by one.
 */
export function plannedReceives(
  passages: readonly Passage[],
  table: readonly (readonly Slot[])[],
  group: number,
  isOnce: (passage: Passage) => boolean,
): readonly PlannedReceive[] {
  const made = new Map<string, { readonly group: number; readonly position: number; readonly end: number }>();
  const { groups } = timeline(table, { seconds: () => 1 });
  groups.forEach(({ slots }, at) =>
    slots.forEach(({ slot, end }, position) => made.set(slotName(slot), { group: at, position, end })),
  );
  const begins = groups[group].slots.map(({ begin }) => begin);
  const positions = new Map<string, number[]>();
  table[group].forEach((slot, i) => {
    const key = kindText(slot);
    positions.set(key, [...(positions.get(key) ?? []), i]);
  });
  const found = passages.flatMap((passage, order) => {
    const { transfer, sent, taken } = passage;
    if (transfer.group !== group) return [];
    const needed = positions.get(kindText(taken)) ?? [];
    const makers = table[transfer.fromGroup].filter((slot) => kindText(slot) === kindText(sent));
    return (isOnce(passage) ? needed.slice(0, 1) : needed).map((position) => {
      const { microbatch } = table[group][position];
      const maker = isOnce(passage) ? makers[0] : { ...sent, microbatch };
      return { passage, microbatch, position, order, made: made.get(slotName(maker))! };
    });
  });
  found.sort(
    (a, b) =>
      a.made.end - b.made.end || a.made.group - b.made.group || a.made.position - b.made.position || a.order - b.order,
  );
  let latest = Infinity;
  return found
    .reverse()
    .map(({ passage, microbatch, position, made: { end } }): PlannedReceive => {
      const asMade = begins.findIndex((begin) => begin >= end);
      latest = Math.min(latest, Math.max(0, position - 1), asMade);
      return { passage, microbatch, before: latest };
    })
    .reverse();
}
