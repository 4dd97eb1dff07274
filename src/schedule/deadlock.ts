import type { DiagnosticError } from '../ir/diagnostic.js';
import { runInOrder, type Stuck } from './dependencies.js';
import * as diagnose from './diagnostics.js';
import { slotName, slotsOf, type ScheduleTable } from './slot.js';
import { placeOf, sourceOfTable, type TableSource } from './source.js';

/** The deadlock of a table in which every slot that another depends on exists, or null where it completes. */
export function findDeadlock(table: ScheduleTable, chunks: number, source: TableSource): DiagnosticError | null {
  const stuck = runInOrder(table, chunks, () => undefined);
  return stuck.length > 0 ? deadlockOf(table, stuck, source) : null;
}

/**
 * The diagnostic of a table that does not complete: groups that wait for each other in a ring, or a slot that one waits for and that stands
 * nowhere. `stuck` is what `runInOrder` returned, not empty.
 */
export function deadlockOf(
  table: ScheduleTable,
  stuck: readonly Stuck[],
  source: TableSource = sourceOfTable(table),
): DiagnosticError {
  const places = new Map(
    table.flatMap((order, group) =>
      order.flatMap((entry, position) => {
        const { words } = source.entries[group][position];
        return slotsOf(entry).map((slot, i) => [slotName(slot), { group, position, name: words[i] }] as const);
      }),
    ),
  );
  const absent = stuck.find(({ waitsFor }) => !places.has(slotName(waitsFor)));
  if (absent) return diagnose.slotMissing({ file: source.file, slots: source.nameOf(absent.waitsFor) });
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
  const textOf = ({ group, position }: Stuck) => source.entries[group][position].text;
  return diagnose.deadlock({
    waits: ring.map((one) => {
      const on = place(one);
      const entry = textOf(one);
      return {
        entry,
        waitsFor: on.name,
        behind: textOf(standing.get(on.group)!),
        places: [
          placeOf(source, one.group, one.position, `${entry} waits for ${on.name}`),
          placeOf(source, on.group, on.position, on.name),
        ],
      };
    }),
  });
}
