/**
 * Is a table a schedule of a model? Reads the table alone and knows nothing of how it was made. One that was read from a file or written by
 * hand passes here before anything is compiled from it; of generated ones tests ask it for every kind.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { findDeadlock } from './deadlock.js';
import * as diagnose from './diagnostics.js';
import type { SlotPlace } from './diagnostics.js';
import { slotName, slotsOf, type Direction, type ScheduleTable, type Slot } from './slot.js';

/** What a table is a schedule of: so many chunks of a model, each on a group, and so many scheduled microbatches. */
export interface ScheduleOf {
  readonly groups: number;
  readonly chunks: number;
  readonly microbatches: number;
  /** The group of a chunk, null where it has none. */
  readonly groupOf: (chunk: number) => number | null;
}

interface PlacedSlot {
  readonly slot: Slot;
  readonly name: string;
  readonly place: SlotPlace;
}

/**
 * Every fault of a table; empty where each chunk runs each microbatch once forward and once backward (and once for its weights, where the
 * chunk's backward is split), on its own group, in an order that completes. Faults of one kind are one diagnostic, or one
 * a chunk.
 * Whether it deadlocks is asked where nothing else is wrong. Linear in the table, whatever numbers it names.
 */
export function checkSchedule(table: ScheduleTable, of: ScheduleOf): readonly DiagnosticError[] {
  const all = table.flatMap((order, group) =>
    order.flatMap((entry, position) =>
      slotsOf(entry).map((slot): PlacedSlot => ({ slot, name: slotName(slot), place: { group, position } })),
    ),
  );
  const faults = [
    ...rows(table, of),
    ...outOfRange(all, of),
    ...onOtherGroups(all, of),
    ...twice(all),
    ...missing(all, of),
    ...partlySplit(all, of),
    ...weightFirst(all),
  ];
  if (faults.length > 0) return faults;
  const deadlock = findDeadlock(table, of.chunks);
  return deadlock ? [deadlock] : [];
}

const rows = (table: ScheduleTable, { groups }: ScheduleOf) =>
  table.length === groups ? [] : [diagnose.wrongGroups({ rows: table.length, groups })];

const noted = ({ place, name }: PlacedSlot): SlotPlace => ({ ...place, note: name });
const within = (index: number, count: number): boolean => Number.isInteger(index) && index >= 0 && index < count;

function outOfRange(all: readonly PlacedSlot[], { chunks, microbatches }: ScheduleOf): DiagnosticError[] {
  const noChunk = all.filter(({ slot }) => !within(slot.chunk, chunks)).map(noted);
  const noMicrobatch = all.filter(({ slot }) => !within(slot.microbatch, microbatches)).map(noted);
  return [
    ...(noChunk.length > 0 ? [diagnose.unknownChunk({ chunks, places: noChunk })] : []),
    ...(noMicrobatch.length > 0 ? [diagnose.microbatchOutOfRange({ microbatches, places: noMicrobatch })] : []),
  ];
}

/** One fault a chunk that has slots on another group. */
function onOtherGroups(all: readonly PlacedSlot[], { chunks, groupOf }: ScheduleOf): DiagnosticError[] {
  return [...groupBy(all, ({ slot }) => slot.chunk)].flatMap(([chunk, slots]) => {
    const group = within(chunk, chunks) ? groupOf(chunk) : null;
    const strays = slots.filter(({ place }) => place.group !== group);
    if (group === null || strays.length === 0) return [];
    return [diagnose.wrongGroup({ slot: strays[0].name, group, places: strays.map(noted) })];
  });
}

function twice(all: readonly PlacedSlot[]): DiagnosticError[] {
  const repeated = [...groupBy(all, ({ name }) => name)].filter(([, slots]) => slots.length > 1);
  return repeated.slice(0, 1).map(([slot, slots]) =>
    diagnose.slotTwice({
      slot,
      times: slots.length,
      places: slots.map(({ place }) => place),
      others: repeated.length - 1,
    }),
  );
}

/** So many slots are named of those that a table lacks. */
const named = 8;

function missing(all: readonly PlacedSlot[], { chunks, microbatches }: ScheduleOf): DiagnosticError[] {
  const directions = ['forward', 'backward'] as const;
  const count = chunks * microbatches * directions.length - countOf(all, directions, chunks, microbatches);
  if (count === 0) return [];
  const present = new Set(all.map(({ name }) => name));
  const slots = inWords(firstMissing(present, directions, range(chunks), microbatches), count);
  return [diagnose.slotMissing({ slots })];
}

/** One fault a chunk that has weight slots for some microbatches and not for others. */
function partlySplit(all: readonly PlacedSlot[], { chunks, microbatches }: ScheduleOf): DiagnosticError[] {
  const weights = all.filter(({ slot }) => slot.direction === 'weight' && within(slot.chunk, chunks));
  return [...groupBy(weights, ({ slot }) => slot.chunk)].flatMap(([chunk, slots]) => {
    const present = new Set(slots.map(({ name }) => name));
    const count = microbatches - countOf(slots, ['weight'], chunks, microbatches);
    if (count === 0) return [];
    const lacking = firstMissing(present, ['weight'], [chunk], microbatches);
    return [diagnose.partlySplit({ chunk, slots: inWords(lacking, count) })];
  });
}

const inWords = (names: readonly string[], count: number): string =>
  `${names.join(', ')}${count > names.length ? ` and ${count - names.length} more slots` : ''}`;

/** How many of the slots that there must be are there. */
function countOf(
  all: readonly PlacedSlot[],
  directions: readonly Direction[],
  chunks: number,
  microbatches: number,
): number {
  const wanted = all.filter(
    ({ slot }) =>
      directions.includes(slot.direction) && within(slot.chunk, chunks) && within(slot.microbatch, microbatches),
  );
  return new Set(wanted.map(({ name }) => name)).size;
}

/** The first slots that are not there. Looks at no more slots than there are, and a few: a file may name any number. */
function firstMissing(
  present: ReadonlySet<string>,
  directions: readonly Direction[],
  chunks: Iterable<number>,
  microbatches: number,
): readonly string[] {
  const found: string[] = [];
  for (const chunk of chunks) {
    for (const microbatch of range(microbatches)) {
      for (const direction of directions) {
        const name = slotName({ chunk, direction, microbatch });
        if (!present.has(name)) found.push(name);
        if (found.length === named) return found;
      }
    }
  }
  return found;
}

function* range(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i;
}

function groupBy<K>(slots: readonly PlacedSlot[], key: (slot: PlacedSlot) => K): ReadonlyMap<K, readonly PlacedSlot[]> {
  const groups = new Map<K, PlacedSlot[]>();
  for (const slot of slots)
    groups
      .set(key(slot), groups.get(key(slot)) ?? [])
      .get(key(slot))!
      .push(slot);
  return groups;
}

/** Weight slots that come before their backward on the same group, or are woven with it. */
function weightFirst(all: readonly PlacedSlot[]): DiagnosticError[] {
  const backwards = new Map(
    all.filter(({ slot }) => slot.direction === 'backward').map(({ name, place }) => [name, place]),
  );
  const early = all.flatMap(({ slot, name, place }) => {
    if (slot.direction !== 'weight') return [];
    const backward = slotName({ ...slot, direction: 'backward' });
    const made = backwards.get(backward);
    return made?.group === place.group && made.position >= place.position ? [{ name, place, backward, made }] : [];
  });
  return early.slice(0, 1).map(({ name, place, backward, made }) =>
    diagnose.weightBeforeBackward({
      slot: name,
      backward,
      places: [
        { ...place, note: name },
        { ...made, note: backward },
      ],
      others: early.length - 1,
    }),
  );
}
