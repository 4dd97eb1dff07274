import { slotName, slotsOf, type Entry, type ScheduleTable, type Slot } from './slot.js';

/**
 * What must be done before a slot may begin, in a model of `chunks` chunks. F(c, m): F(c − 1, m). B(c, m): B(c + 1, m) and F(c, m).
 * W(c, m): B(c, m).
 */
export function dependenciesOf({ chunk, direction, microbatch }: Slot, chunks: number): readonly Slot[] {
  if (direction === 'weight') return [{ chunk, direction: 'backward', microbatch }];
  if (direction === 'forward') return chunk > 0 ? [{ chunk: chunk - 1, direction, microbatch }] : [];
  const own: Slot = { chunk, direction: 'forward', microbatch };
  return chunk < chunks - 1 ? [{ chunk: chunk + 1, direction, microbatch }, own] : [own];
}

/** A group that cannot go on: the entry it stands at, and a slot which that entry waits for and which is never done. */
export interface Stuck {
  readonly group: number;
  /** Position in the group's order, from 0. */
  readonly position: number;
  readonly entry: Entry;
  readonly waitsFor: Slot;
}

/**
 * Runs a table: each group does its entries in order, each as soon as what it depends on is done. Calls `run` once an entry, after all
 * that it depends on. An entry's slots depend on slots outside it alone: two woven slots of which one needs the other never begin.
 * Returns the groups that cannot go on, by group; none where the table completes. Linear in the table.
 */
export function runInOrder(
  table: ScheduleTable,
  chunks: number,
  run: (entry: Entry, group: number, position: number) => void,
): readonly Stuck[] {
  const done = new Set<string>();
  const waiting = new Map<string, number[]>();
  const positions = table.map(() => 0);
  const stuck = new Map<number, Stuck>();
  const ready = table.map((_, group) => group).reverse();
  for (let group = ready.pop(); group !== undefined; group = ready.pop()) {
    stuck.delete(group);
    for (; positions[group] < table[group].length; positions[group]++) {
      const position = positions[group];
      const entry = table[group][position];
      const waitsFor = slotsOf(entry)
        .flatMap((slot) => dependenciesOf(slot, chunks))
        .find((slot) => !done.has(slotName(slot)));
      if (waitsFor) {
        stuck.set(group, { group, position, entry, waitsFor });
        const name = slotName(waitsFor);
        waiting.set(name, [...(waiting.get(name) ?? []), group]);
        break;
      }
      run(entry, group, position);
      for (const name of slotsOf(entry).map(slotName)) {
        done.add(name);
        ready.push(...(waiting.get(name) ?? []));
        waiting.delete(name);
      }
    }
  }
  return [...stuck.values()].sort((a, b) => a.group - b.group);
}
