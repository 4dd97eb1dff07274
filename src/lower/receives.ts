/**
 * When a group asks for what it receives.
 *
 * Messages of one rank leave in the order in which its slots make them, and a rank takes them in one after the other, so receives are asked
 * for in the order in which their values are made anywhere, as far as the table tells. Each is asked for one slot ahead of the slot that
 * reads it, or earlier where a later one of this order is needed sooner: it then travels under that slot's work.
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

/** `once`: transfers that bring what is made once a step, with the first microbatch. Slots that run woven are told one by one. */
export function plannedReceives(
  passages: readonly Passage[],
  table: readonly (readonly Slot[])[],
  group: number,
  isOnce: (passage: Passage) => boolean,
): readonly PlannedReceive[] {
  const made = new Map<string, { readonly group: number; readonly position: number; readonly end: number }>();
  timeline(table, { seconds: () => 1 }).groups.forEach(({ slots }, at) =>
    slots.forEach(({ slot, end }, position) => made.set(slotName(slot), { group: at, position, end })),
  );
  const positions = new Map<string, number[]>();
  table[group].forEach((slot, i) => {
    const key = kindText(slot);
    positions.set(key, [...(positions.get(key) ?? []), i]);
  });
  const found = passages.flatMap((passage, order) => {
    if (passage.transfer.group !== group) return [];
    const needed = positions.get(kindText(passage.taken)) ?? [];
    return (isOnce(passage) ? needed.slice(0, 1) : needed).map((position) => {
      const { microbatch } = table[group][position];
      return { passage, microbatch, position, order, made: made.get(slotName({ ...passage.sent, microbatch }))! };
    });
  });
  found.sort(
    (a, b) =>
      a.made.end - b.made.end || a.made.group - b.made.group || a.made.position - b.made.position || a.order - b.order,
  );
  let latest = Infinity;
  return found
    .reverse()
    .map(({ passage, microbatch, position }): PlannedReceive => {
      latest = Math.min(latest, Math.max(0, position - 1));
      return { passage, microbatch, before: latest };
    })
    .reverse();
}
