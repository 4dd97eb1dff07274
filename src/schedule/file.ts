/**
 * A schedule as a file: our own form, JSON with one line of slots a group, or PyTorch's (`csv.ts`), which torchtitan reads and writes.
 *
 *   {
 *     "flotilla_schedule": 1,
 *     "groups": [
 *       "0F0 0F1 0B0 0F2 0B1 0B2",
 *       "1F0 1B0 1F1 1B1 1F2 1B2"
 *     ]
 *   }
 *
 * A slot is chunk, direction (F forward, B backward, W gradients of weights), microbatch; `0F4+3B1` is two slots that run woven. B is the
 * whole backward for a chunk without W, and the gradients of activations for one with W. Which group has which chunk follows from where
 * the chunk's slots stand, and so do the numbers of chunks and of microbatches ({@link scheduleOf}); `check.ts` says whether it is a schedule.
 */
import { nearest } from '../ir/diagnostic.js';
import { parseFields } from '../ir/parse_json.js';
import type { ScheduleOf } from './check.js';
import { readCsv } from './csv.js';
import * as diagnose from './diagnostics.js';
import { directions, entryName, slotsOf, type Entry, type ScheduleTable, type Slot } from './slot.js';
import { slotAt, sourceOfTable, type TableSource } from './source.js';

export interface ScheduleFile {
  readonly table: ScheduleTable;
  /** Kinds of PyTorch's actions that the file has and that say nothing here: what they ask for follows from plan and table. Sorted. */
  readonly ignored: readonly string[];
  /** Where the file has the entries of the table. */
  readonly source: TableSource;
}

const version = 1;

/** Reads a schedule file in either form. `file` is its name, for messages. Throws `schedule/unreadable-file`, `schedule/unreadable-slot`. */
export function readScheduleFile(text: string, file: string): ScheduleFile {
  const plain = text.replace(/^\ufeff/, '');
  if (!/^\s*\{/.test(plain)) return readCsv(plain, file);
  const table = readJson(plain, file);
  return { table, ignored: [], source: sourceOfTable(table, file) };
}

/** The table in our own form, which {@link readScheduleFile} reads back equal. */
export function writeScheduleFile(table: ScheduleTable): string {
  const groups = table.map((order) => order.map(entryName).join(' '));
  return `${JSON.stringify({ flotilla_schedule: version, groups }, null, 2)}\n`;
}

/**
 * What a table is a schedule of, read off the table: a chunk is on the group that has its first slot. `groupOf` gives null for a chunk that
 * has no slot.
 */
export function scheduleOf(table: ScheduleTable): ScheduleOf {
  const groups = new Map<number, number>();
  let [chunks, microbatches] = [0, 0];
  table.forEach((order, group) => {
    for (const { chunk, microbatch } of order.flatMap(slotsOf)) {
      if (!groups.has(chunk)) groups.set(chunk, group);
      [chunks, microbatches] = [Math.max(chunks, chunk + 1), Math.max(microbatches, microbatch + 1)];
    }
  });
  return { groups: table.length, chunks, microbatches, groupOf: (chunk) => groups.get(chunk) ?? null };
}

const fields = ['flotilla_schedule', 'groups'];

function readJson(text: string, file: string): ScheduleTable {
  const unreadable = (reason: string) => diagnose.unreadableFile({ file, reason });
  let value: unknown;
  try {
    value = parseFields(text);
  } catch (error) {
    throw unreadable(`it is no JSON: ${(error as Error).message}`);
  }
  const { flotilla_schedule, groups, ...others } = value as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(others)) {
    const near = nearest(name, fields);
    throw unreadable(
      `it has a field '${diagnose.shortened(name)}' that schedules lack${near ? ` (did you mean '${near}'?)` : ''}`,
    );
  }
  if (flotilla_schedule !== version)
    throw unreadable(
      `'flotilla_schedule' is ${diagnose.shortened(String(JSON.stringify(flotilla_schedule)))}, and the version read here is ${version}`,
    );
  if (!Array.isArray(groups) || groups.some((row) => typeof row !== 'string'))
    throw unreadable(`'groups' is no list of texts, one a group, such as "0F0 0B0"`);
  return readRows(groups as readonly string[], file);
}

/** Slots of each group, `0F0 0B0`, as a table. Throws `schedule/unreadable-slot`. */
export function readRows(rows: readonly string[], file: string): ScheduleTable {
  return rows.map((row, group) =>
    row
      .split(/\s+/)
      .filter((cell) => cell !== '')
      .map((cell, i) => readEntry(cell, { file, at: slotAt(group, i) })),
  );
}

const slotForm = /^(\d{1,15})([FBW])(\d{1,15})$/;
const expected = "chunk, F, B or W, and microbatch, such as 0F3, or two that run woven: '0F4+3B1'";

function readEntry(cell: string, place: { file: string; at: string }): Entry {
  const slots = cell.split('+').map((name): Slot => {
    const [, chunk, letter, microbatch] = slotForm.exec(name) ?? [];
    if (letter === undefined) throw diagnose.unreadableSlot({ ...place, text: cell, expected });
    return { chunk: Number(chunk), direction: directions[letter], microbatch: Number(microbatch) };
  });
  if (slots.length > 2) throw diagnose.unreadableSlot({ ...place, text: cell, expected });
  return slots.length === 2 ? { woven: [slots[0], slots[1]] } : slots[0];
}
