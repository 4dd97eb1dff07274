import type { DiagnosticError } from '../ir/diagnostic.js';
import { runInOrder, type Stuck } from './dependencies.js';
import * as diagnose from './diagnostics.js';
import { entryName, slotName, slotsOf, type ScheduleTable } from './slot.js';

/** The deadlock of a table in which every slot that another depends on exists, or null where it completes. */
export function findDeadlock(table: ScheduleTable, chunks: number): DiagnosticError | null {
  const stuck = runInOrder(table, chunks, () => undefined);
  return stuck.length > 0 ? deadlockOf(table, stuck) : null;
}

/**
 * The diagnostic of a table that does not complete: groups that wait for each other in a ring, or a slot that one waits for and that stands
 * nowhere. `stuck` is what `runInOrder` returned, not empty.
 */
export function deadlockOf(table: ScheduleTable, stuck: readonly Stuck[]): DiagnosticError {
  const places = new Map(
    table.flatMap((order, group) =>
      order.flatMap((entry, position) => slotsOf(entry).map((slot) => [slotName(slot), { group, position }] as const)),
    ),
  );
  const absent = stuck.map(({ waitsFor }) => slotName(waitsFor)).find((name) => !places.has(name));
  if (absent !== undefined) return diagnose.slotMissing({ slots: absent });
  const standing = new Map(stuck.map((one) => [one.group, one]));
  const place = ({ waitsFor }: Stuck) => places.get(slotName(waitsFor))!;
  // What a stuck group waits for comes at or behind the entry at which another stuck group stands: following these comes round.
  const way: Stuck[] = [];
  let next = stuck[0];
  while (!way.includes(next)) {
    way.push(next);
    next = standing.get(place(next).group)!;
  }
  const ring = way.slice(way.indexOf(next));
  return diagnose.deadlock({
    waits: ring.map((one) => ({
      group: one.group,
      position: one.position,
      entry: entryName(one.entry),
      waitsFor: slotName(one.waitsFor),
      on: { ...place(one), behind: entryName(standing.get(place(one).group)!.entry) },
    })),
  });
}
