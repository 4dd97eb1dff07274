/**
 * Is a table a schedule of a model? Reads the table alone and knows nothing of how it was made. One that was read from a file or written by
 * hand passes here before anything is compiled from it; of generated ones tests ask it for every kind.
 */
import type { DiagnosticError, Place } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import { findDeadlock } from './deadlock.js';
import { directionNumbers } from './dependencies.js';
import * as diagnose from './diagnostics.js';
import { slotsOf, type Direction, type ScheduleTable, type Slot } from './slot.js';
import { placeOf, sourceOfTable, type TableSource } from './source.js';

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
  readonly group: number;
  readonly position: number;
  /** What the file calls it. */
  readonly word: string;
}

/**
 * Every fault of a table; empty where each chunk runs each microbatch once forward and once backward (and once for its weights, where the
 * chunk's backward is split), on its own group, in an order that completes. Faults of one kind are one diagnostic, or one
 * a chunk.
 * Whether it deadlocks is asked where nothing else is wrong. Linear in the table, whatever numbers it names. `source`: where it was written.
 */
export function checkSchedule(
  table: ScheduleTable,
  of: ScheduleOf,
  source: TableSource = sourceOfTable(table),
): readonly DiagnosticError[] {
  const slots = new Slots(table, source);
  const faults = [
    ...rows(table, of, source),
    ...outOfRange(slots, of),
    ...onOtherGroups(slots, of),
    ...twice(slots),
    ...missing(slots, of),
    ...partlySplit(slots, of),
    ...weightFirst(slots),
  ];
  if (faults.length > 0) return faults;
  const deadlock = findDeadlock(table, of.chunks, source);
  return deadlock ? [deadlock] : [];
}

/** The slots of a table, in its order, and by what they are. */
class Slots {
  readonly source: TableSource;
  readonly all: readonly PlacedSlot[];
  /** Slots that stand in the table more than once, in the order in which they come first: all places of each. */
  readonly repeated: readonly (readonly PlacedSlot[])[];
  /** Slots by chunk, each once, where it comes first. */
  private readonly byChunk = new Map<number, Map<number, PlacedSlot>>();

  constructor(table: ScheduleTable, source: TableSource) {
    this.source = source;
    const all: PlacedSlot[] = [];
    const repeats = new Map<PlacedSlot, PlacedSlot[]>();
    table.forEach((order, group) =>
      order.forEach((entry, position) => {
        const { words } = source.entries[group][position];
        for (const [i, slot] of slotsOf(entry).entries()) {
          const placed = { slot, group, position, word: words[i] };
          all.push(placed);
          const first = this.firstOf(placed);
          if (first !== placed) repeats.set(first, [...(repeats.get(first) ?? [first]), placed]);
        }
      }),
    );
    this.all = all;
    this.repeated = repeats.size === 0 ? [] : all.flatMap((one) => (repeats.has(one) ? [repeats.get(one)!] : []));
  }

  /** Where slots were written, with what the file calls each. */
  places(placed: readonly PlacedSlot[]): readonly Place[] {
    return placed.map(({ group, position, word }) => placeOf(this.source, group, position, word));
  }

  get chunks(): Iterable<number> {
    return this.byChunk.keys();
  }

  /** The slots of a chunk, each once. */
  ofChunk(chunk: number): Iterable<PlacedSlot> {
    return this.byChunk.get(chunk)?.values() ?? [];
  }

  /** Where a slot comes first. */
  find(slot: Slot): PlacedSlot | undefined {
    return this.byChunk.get(slot.chunk)?.get(numberOf(slot));
  }

  private firstOf(placed: PlacedSlot): PlacedSlot {
    const { slot } = placed;
    const known = this.byChunk.get(slot.chunk) ?? new Map<number, PlacedSlot>();
    if (known.size === 0) this.byChunk.set(slot.chunk, known);
    const number = numberOf(slot);
    const first = known.get(number);
    if (!first) known.set(number, placed);
    return first ?? placed;
  }
}

/** A number for each slot of a chunk. Microbatches of files have fifteen digits at most. */
const numberOf = ({ direction, microbatch }: Slot): number => 3 * microbatch + directionNumbers[direction];

const rows = (table: ScheduleTable, { groups }: ScheduleOf, { file }: TableSource) =>
  table.length === groups ? [] : [diagnose.wrongGroups({ file, rows: table.length, groups })];

const within = (index: number, count: number): boolean => Number.isInteger(index) && index >= 0 && index < count;

function outOfRange(slots: Slots, { chunks, microbatches }: ScheduleOf): DiagnosticError[] {
  const noChunk = slots.places(slots.all.filter(({ slot }) => !within(slot.chunk, chunks)));
  const noMicrobatch = slots.places(slots.all.filter(({ slot }) => !within(slot.microbatch, microbatches)));
  return [
    ...(noChunk.length > 0 ? [diagnose.unknownChunk({ chunks, places: noChunk })] : []),
    ...(noMicrobatch.length > 0 ? [diagnose.microbatchOutOfRange({ microbatches, places: noMicrobatch })] : []),
  ];
}

/** One fault a chunk that has slots on another group. */
function onOtherGroups(slots: Slots, { chunks, groupOf }: ScheduleOf): DiagnosticError[] {
  const groups = new Map<number, number | null>();
  const strays = new Map<number, PlacedSlot[]>();
  for (const placed of slots.all) {
    const { chunk } = placed.slot;
    if (!groups.has(chunk)) groups.set(chunk, within(chunk, chunks) ? groupOf(chunk) : null);
    const group = groups.get(chunk)!;
    if (group === null || placed.group === group) continue;
    const known = strays.get(chunk);
    if (known) known.push(placed);
    else strays.set(chunk, [placed]);
  }
  return [...groups].flatMap(([chunk, group]) => {
    const stray = strays.get(chunk);
    if (group === null || !stray) return [];
    return [diagnose.wrongGroup({ slot: stray[0].word, row: slots.source.rowOf(group), places: slots.places(stray) })];
  });
}

function twice(slots: Slots): DiagnosticError[] {
  const { repeated, source } = slots;
  return repeated.slice(0, 1).map((same) => {
    const [{ slot }] = same;
    const name = source.nameOf(slot);
    // PyTorch's B is two slots where the chunk's backward is split: it stands for each of them by a name that is not theirs.
    const whole = same.find(({ word }) => word !== name);
    const explicit = same.some(({ word }) => word === name);
    return diagnose.slotTwice({
      slot: explicit || !whole ? name : whole.word,
      times: same.length,
      places: slots.places(same),
      others: repeated.length - 1,
      whole: explicit && whole ? { name: whole.word, half: source.nameOf({ ...slot, direction: 'backward' }) } : null,
    });
  });
}

/** So many slots are named of those that a table lacks. */
const named = 8;

function missing(slots: Slots, { chunks, microbatches }: ScheduleOf): DiagnosticError[] {
  const directions = ['forward', 'backward'] as const;
  let count = chunks * microbatches * directions.length;
  for (const chunk of slots.chunks) if (within(chunk, chunks)) count -= countOf(slots, chunk, directions, microbatches);
  if (count === 0) return [];
  return [
    diagnose.slotMissing({
      file: slots.source.file,
      slots: inWords(firstMissing(slots, directions, range(chunks), microbatches), count),
    }),
  ];
}

/** One fault a chunk that has weight slots for some microbatches and not for others. */
function partlySplit(slots: Slots, { chunks, microbatches }: ScheduleOf): DiagnosticError[] {
  return [...splitChunksOf(slots)].flatMap((chunk) => {
    const count = microbatches - countOf(slots, chunk, ['weight'], microbatches);
    if (!within(chunk, chunks) || count === 0) return [];
    const lacking = firstMissing(slots, ['weight'], [chunk], microbatches);
    return [diagnose.partlySplit({ file: slots.source.file, chunk, slots: inWords(lacking, count) })];
  });
}

/** The chunks that have weight slots, in the order in which these come. */
function splitChunksOf({ all }: Slots): ReadonlySet<number> {
  const found = new Set<number>();
  for (const { slot } of all) if (slot.direction === 'weight') found.add(slot.chunk);
  return found;
}

const inWords = (names: readonly string[], count: number): string =>
  `${names.join(', ')}${count > names.length ? ` and ${counted(count - names.length, 'more slot')}` : ''}`;

/** How many of the slots that there must be of a chunk are there. */
function countOf(slots: Slots, chunk: number, directions: readonly Direction[], microbatches: number): number {
  let count = 0;
  for (const { slot } of slots.ofChunk(chunk))
    if (directions.includes(slot.direction) && within(slot.microbatch, microbatches)) count++;
  return count;
}

/** The first slots that are not there. Looks at no more slots than there are, and a few: a file may name any number. */
function firstMissing(
  slots: Slots,
  directions: readonly Direction[],
  chunks: Iterable<number>,
  microbatches: number,
): readonly string[] {
  const found: string[] = [];
  for (const chunk of chunks) {
    for (const microbatch of range(microbatches)) {
      for (const direction of directions) {
        const slot = { chunk, direction, microbatch };
        if (!slots.find(slot)) found.push(slots.source.nameOf(slot));
        if (found.length === named) return found;
      }
    }
  }
  return found;
}

function* range(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i;
}

/** Weight slots that come before their backward on the same group, or are woven with it. */
function weightFirst(slots: Slots): DiagnosticError[] {
  const early = slots.all.flatMap((placed) => {
    const { slot, group, position } = placed;
    if (slot.direction !== 'weight') return [];
    const made = slots.find({ ...slot, direction: 'backward' });
    return made?.group === group && made.position >= position ? [{ placed, made }] : [];
  });
  return early.slice(0, 1).map(({ placed, made }) =>
    diagnose.weightBeforeBackward({
      slot: placed.word,
      backward: made.word,
      places: slots.places([placed, made]),
      others: early.length - 1,
    }),
  );
}
