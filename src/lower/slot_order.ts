/**
 * What a group computes, in order: its slots, and where two are woven, pieces of them in turn.
 *
 * A slot of a woven pair is cut behind each launch of communication, so that the other one works while it is under way. Pieces of the two
 * take turns in proportion, so that both end about together. A slot that goes on to the update is not cut, nor are two
 * of one chunk and direction: what the first writes the other adds to.
 */
import { isLocal } from '../reshard/moves.js';
import { slotsOf, type Entry } from '../schedule/slot.js';
import type { Listed } from './sections.js';
import { kindText, type SlotKind } from './slot_kinds.js';

/** A slot, or a piece of one. */
export interface SlotStep {
  /** Position of its entry in the group's row of the table. */
  readonly entry: number;
  readonly slot: SlotKind;
  readonly microbatch: number;
  /** The chunk's first slot of this direction. */
  readonly first: boolean;
  /** Whether a chunk, or with it the whole group, has come to its last slot. */
  readonly last: 'no' | 'chunk' | 'group';
  /** Which of the pieces of a slot that is cut; null: all of it. */
  readonly piece: number | null;
}

/** `section`: what a slot of this kind runs. */
export function slotOrder(
  entries: readonly Entry[],
  section: (slot: SlotKind, first: boolean) => readonly Listed[],
): readonly SlotStep[] {
  const all = entries.flatMap(slotsOf);
  const ends = new Set(new Map(all.map((slot) => [slot.chunk, slot])).values());
  const seen = new Set<string>();
  return entries.flatMap((made, entry): readonly SlotStep[] => {
    const steps = slotsOf(made).map((slot): SlotStep => {
      const { chunk, direction, microbatch } = slot;
      const first = !seen.has(kindText(slot));
      seen.add(kindText(slot));
      const last = slot === all[all.length - 1] ? 'group' : ends.has(slot) ? 'chunk' : 'no';
      return { entry, slot: { chunk, direction }, microbatch, first, last, piece: null };
    });
    const alike = new Set(steps.map(({ slot }) => kindText(slot))).size < steps.length;
    if (steps.length < 2 || alike || steps.some(({ last }) => last !== 'no')) return steps;
    return inTurn(
      steps.map((step) => piecesOf(section(step.slot, step.first)).map((_, piece): SlotStep => ({ ...step, piece }))),
    );
  });
}

/** The pieces of a section: each ends with a launch of communication, or the section does. */
export function piecesOf(section: readonly Listed[]): readonly (readonly Listed[])[] {
  const pieces: Listed[][] = [[]];
  section.forEach((listed, i) => {
    pieces[pieces.length - 1].push(listed);
    if (launches(listed) && i < section.length - 1) pieces.push([]);
  });
  return pieces;
}

const launches = ({ step, part }: Listed): boolean =>
  part === 'send' || (part === 'run' && step.kind === 'move' && !isLocal(step.move));

/** Two lists as one, each in its order and at its own pace. */
function inTurn<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists
    .flatMap((list, which) => list.map((one, i) => ({ one, which, at: (i + 1) / list.length })))
    .sort((a, b) => a.at - b.at || a.which - b.which)
    .map(({ one }) => one);
}
