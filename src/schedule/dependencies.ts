import { slotsOf, type Direction, type Entry, type ScheduleTable, type Slot } from './slot.js';

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

/** A number for each slot of a table and for what these depend on. Chunks and microbatches are whole, and there are fewer than 2⁵³ of all. */
export function slotNumbers(table: ScheduleTable): (slot: Slot) => number {
  let microbatches = 1;
  for (const order of table)
    for (const entry of order)
      for (const slot of slotsOf(entry)) microbatches = Math.max(microbatches, slot.microbatch + 1);
  return ({ chunk, direction, microbatch }) => (3 * chunk + directionNumbers[direction]) * microbatches + microbatch;
}

/** Directions, counted. */
export const directionNumbers: Readonly<Record<Direction, number>> = { forward: 0, backward: 1, weight: 2 };

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
 * that it depends on (`needs`). An entry's slots depend on slots outside it alone: two woven slots of which one needs the other never begin.
 * Returns the groups that cannot go on, by group; none where the table completes. Linear in the table.
 */
export function runInOrder(
  table: ScheduleTable,
  chunks: number,
  run: (entry: Entry, group: number, needs: readonly Slot[]) => void,
): readonly Stuck[] {
  const numberOf = slotNumbers(table);
  const done = new Set<number>();
  const waiting = new Map<number, number[]>();
  const positions = table.map(() => 0);
  const stuck = new Map<number, Stuck>();
  const ready = table.map((_, group) => group).reverse();
  for (let group = ready.pop(); group !== undefined; group = ready.pop()) {
    stuck.delete(group);
    for (; positions[group] < table[group].length; positions[group]++) {
      const position = positions[group];
      const entry = table[group][position];
      const slots = slotsOf(entry);
      const needs =
        slots.length === 1 ? dependenciesOf(slots[0], chunks) : slots.flatMap((slot) => dependenciesOf(slot, chunks));
      const waitsFor = needs.find((slot) => !done.has(numberOf(slot)));
      if (waitsFor) {
        stuck.set(group, { group, position, entry, waitsFor });
        const number = numberOf(waitsFor);
        waiting.set(number, [...(waiting.get(number) ?? []), group]);
        break;
      }
      run(entry, group, needs);
      for (const number of slots.map(numberOf)) {
        done.add(number);
        const woken = waiting.get(number);
        if (woken) ready.push(...woken);
        waiting.delete(number);
      }
    }
  }
  return [...stuck.values()].sort((a, b) => a.group - b.group);
}
