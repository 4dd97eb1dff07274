/**
 * PyTorch's form of a schedule (torch.distributed.pipelining, read and written by torchtitan): a CSV file, one row a rank, one cell an action,
 * empty where the rank idles. An action is stage, kind, microbatch: `2F0`.
 *
 *   F                                 forward
 *   B                                 backward, of activations and weights
 *   I, W                              gradients of activations; of weights
 *   (0F4;3B1)OVERLAP_F_B              two that run woven
 *   SEND_F, RECV_F, SEND_B, RECV_B,   read and ignored: messages, gathers of sharded weights and reductions of gradients follow from the
 *   UNSHARD, RESHARD, REDUCE_GRAD     plan and from the order of the slots
 *
 * Their stage is our chunk. A chunk that has W has its backward split for all microbatches: a B of it, which PyTorch may mix in, is
 * read as the two, one right behind the other; the same work at the same place. Empty cells are dropped: a slot begins when it can.
 */
import * as diagnose from './diagnostics.js';
import type { ScheduleFile } from './file.js';
import { backward, forward, slotsOf, splitChunks, weight, type Entry, type ScheduleTable, type Slot } from './slot.js';
import type { EntrySource } from './source.js';

interface Action {
  readonly kind: string;
  readonly chunk: number;
  readonly microbatch: number;
}

const compute = ['F', 'B', 'I', 'W'];
const messages = ['SEND_F', 'RECV_F', 'SEND_B', 'RECV_B'];
const weights = ['UNSHARD', 'RESHARD', 'REDUCE_GRAD'];

/** A cell that has actions. */
interface Cell {
  readonly actions: readonly Action[];
  /** Its line and its place in it, from 1, cells of ranks that idle included. */
  readonly at: string;
  readonly text: string;
}

/** Reads PyTorch's form. Throws `schedule/unreadable-slot` and `schedule/unreadable-file`, with line and cell. */
export function readCsv(text: string, file: string): ScheduleFile {
  const lines = text.trimEnd() === '' ? [] : text.replace(/[\r\n]+$/, '').split(/\r?\n/);
  const rows = lines.map((line, i) =>
    line
      .split(',')
      .map((cell, k) => readCell(cell, file, `line ${i + 1}, cell ${k + 1}`))
      .filter(({ actions }) => actions.length > 0),
  );
  const all = rows.flat();
  const split = new Set(all.flatMap(({ actions }) => actions.filter(isKind('W')).map(({ chunk }) => chunk)));
  for (const { actions, at } of all) {
    const unfinished = actions.filter(isKind('I')).find(({ chunk }) => !split.has(chunk));
    if (!unfinished) continue;
    const reason = `stage ${unfinished.chunk} has I, the gradients of activations, and no W, those of weights`;
    throw diagnose.unreadableFile({ file, reason, at });
  }
  const read = rows.map((row) =>
    row.filter(({ actions: [{ kind }] }) => compute.includes(kind)).flatMap((cell) => entriesOf(cell, split)),
  );
  const kinds = new Set(all.flatMap(({ actions }) => actions.map(({ kind }) => kind)));
  return {
    table: read.map((row) => row.map(({ entry }) => entry)),
    ignored: [...kinds].filter((kind) => !compute.includes(kind)).sort(),
    source: {
      file,
      entries: read.map((row) => row.map(({ source }) => source)),
      nameOf: (slot) => actionName(slot, split),
      rowOf: (group) => `that of line ${group + 1}`,
    },
  };
}

const isKind =
  (wanted: string) =>
  ({ kind }: Action): boolean =>
    kind === wanted;

/** What PyTorch calls a slot. */
function actionName({ chunk, direction, microbatch }: Slot, split: ReadonlySet<number>): string {
  const kind = direction === 'forward' ? 'F' : direction === 'weight' ? 'W' : split.has(chunk) ? 'I' : 'B';
  return `${chunk}${kind}${microbatch}`;
}

/** The table in PyTorch's form, one row a group. Reading it gives the table back. Throws `schedule/not-pytorch` where two slots are woven that PyTorch cannot. */
export function writeCsv(table: ScheduleTable): string {
  const split = splitChunks(table);
  const action = (slot: Slot) => actionName(slot, split);
  const cell = (entry: Entry, group: number, position: number) => {
    const slots = slotsOf(entry);
    if (slots.length === 1) return action(slots[0]);
    const actions = slots.map(action);
    if (slots[0].direction !== 'forward' || slots[1].direction !== 'backward')
      throw diagnose.notPyTorch({ group, position, slots: actions.join(' and ') });
    return `(${actions.join(';')})OVERLAP_F_B`;
  };
  return table.map((order, group) => `${order.map((entry, i) => cell(entry, group, i)).join(',')}\n`).join('');
}

function readCell(cell: string, file: string, at: string): Cell {
  const text = cell
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .trim();
  return { actions: actionsOf(text, { file, at }), at, text };
}

/** The actions of a cell: none, one, or the two of an overlap. */
function actionsOf(cell: string, place: { readonly file: string; readonly at: string }): readonly Action[] {
  const refuse = (expected: string) => diagnose.unreadableSlot({ ...place, text: cell, expected });
  if (cell === '') return [];
  const overlap = /^\((.*)\)(.*)$/.exec(cell);
  if (!overlap) {
    const action = readAction(cell);
    if (!action) throw refuse('stage, F, B, I or W, and microbatch, such as 2F0, or nothing');
    return [action];
  }
  const actions = overlap[1].split(';').map((part) => readAction(part.trim()));
  const kinds = actions.map((action) => action?.kind);
  if (overlap[2] !== 'OVERLAP_F_B' || kinds.length !== 2 || kinds[0] !== 'F' || !['B', 'I'].includes(kinds[1] ?? ''))
    throw refuse('a forward and a backward that run woven: (0F4;3B1)OVERLAP_F_B');
  return actions as readonly Action[];
}

const actionForm = new RegExp(
  `^(\\d{1,15})(?:([FBIW]|${messages.join('|')})(\\d{1,15})|(${weights.join('|')})(\\d{0,15}))$`,
);

function readAction(text: string): Action | null {
  const found = actionForm.exec(text);
  if (!found) return null;
  const [, chunk, kind = found[4], microbatch] = found;
  return { kind, chunk: Number(chunk), microbatch: Number(microbatch ?? 0) };
}

/** The entry of a cell, and behind it what else the whole backward of a split chunk is, both written where the cell is. */
function entriesOf(
  { actions, at, text }: Cell,
  split: ReadonlySet<number>,
): readonly { readonly entry: Entry; readonly source: EntrySource }[] {
  const [first, second] = actions.map(slotOf);
  const entry: Entry = second ? { woven: [first, second] } : first;
  const words = actions.map(({ chunk, kind, microbatch }) => `${chunk}${kind}${microbatch}`);
  const one = { entry, source: { at, text, words } };
  const whole = actions.findIndex(({ kind, chunk }) => kind === 'B' && split.has(chunk));
  if (whole < 0) return [one];
  const { chunk, microbatch } = actions[whole];
  return [one, { entry: weight(chunk, microbatch), source: { at, text, words: [words[whole]] } }];
}

const slotOf = ({ kind, chunk, microbatch }: Action): Slot =>
  (kind === 'F' ? forward : kind === 'W' ? weight : backward)(chunk, microbatch);
