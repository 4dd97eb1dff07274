/** Schedules written out as tables: a generated one reordered, or any order at all. From seeds alone, so that draws shrink as numbers. */
import { checkSchedule, type ScheduleOf } from '../../src/schedule/check.js';
import { dependenciesOf } from '../../src/schedule/dependencies.js';
import {
  slotName,
  slotsOf,
  type Direction,
  type Entry,
  type ScheduleTable,
  type Slot,
} from '../../src/schedule/slot.js';
import { uniform } from '../scenarios/scenario.js';

/** As many neighbours as the table has slots change places, at random places, each where what comes of it is still a schedule. */
export function reordered(table: ScheduleTable, of: ScheduleOf, seed: number): ScheduleTable {
  let found = table;
  const tries = table.reduce((n, order) => n + order.length, 0);
  for (let i = 0; i < tries; i++) {
    const group = pick(table.length, `group ${seed} ${i}`);
    const order = [...found[group]];
    if (order.length < 2) continue;
    const at = pick(order.length - 1, `place ${seed} ${i}`);
    [order[at], order[at + 1]] = [order[at + 1], order[at]];
    const next = found.with(group, order);
    if (checkSchedule(next, of).length === 0) found = next;
  }
  return found;
}

/**
 * Any schedule of these chunks: slot after slot, a random one of those whose dependencies are done. Chunks of which `splits` is true have
 * weight slots. Then a random tenth of neighbours are woven where that is a schedule still.
 */
export function anyTable(of: ScheduleOf, splits: (chunk: number) => boolean, seed: number): ScheduleTable {
  const { groups, chunks, microbatches, groupOf } = of;
  const directions = (chunk: number): readonly Direction[] =>
    splits(chunk) ? ['forward', 'backward', 'weight'] : ['forward', 'backward'];
  const left: Slot[] = Array.from({ length: chunks }, (_, chunk) =>
    directions(chunk).flatMap((direction) =>
      Array.from({ length: microbatches }, (_, microbatch) => ({ chunk, direction, microbatch })),
    ),
  ).flat();
  const done = new Set<string>();
  const table = Array.from({ length: groups }, (): Entry[] => []);
  for (let i = 0; left.length > 0; i++) {
    const ready = left.filter((slot) => dependenciesOf(slot, chunks).every((one) => done.has(slotName(one))));
    const slot = ready[pick(ready.length, `slot ${seed} ${i}`)];
    left.splice(left.indexOf(slot), 1);
    done.add(slotName(slot));
    table[groupOf(slot.chunk)!].push(slot);
  }
  return woven(table, of, seed);
}

function woven(table: ScheduleTable, of: ScheduleOf, seed: number): ScheduleTable {
  let found = table;
  table.forEach((order, group) => {
    for (let at = order.length - 2; at >= 0; at--) {
      if (uniform(`weave ${seed} ${group} ${at}`) >= 0.1) continue;
      const [a, b] = [found[group][at], found[group][at + 1]].flatMap(slotsOf);
      const next = found.with(group, [...found[group].slice(0, at), { woven: [a, b] }, ...found[group].slice(at + 2)]);
      // A pair that was woven already has three slots here.
      if ([at, at + 1].some((i) => slotsOf(found[group][i]).length > 1)) continue;
      if (checkSchedule(next, of).length === 0) found = next;
    }
  });
  return found;
}

const pick = (count: number, what: string): number => Math.min(count - 1, Math.floor(count * uniform(what)));
