/**
 * What a group computes, in order: its slots, and where two are woven, pieces of them in turn.
 *
 * A slot of a woven pair is cut behind each launch of communication, so that the other one works while it is under way. Pieces of the two
 * take turns in proportion, so that both end about together. A slot that goes on to the update is not cut, nor are two
 * of one chunk and direction: what the first writes the other adds to. Any slot but the last is cut besides where lead-ins run under its
 * end (`lead_ins.ts`), whether there are some or not: all of a kind have one text.
 */
import { isExchange } from '../partition/placed.js';
import { slotsOf, type Entry } from '../schedule/slot.js';
import { cutsOf, type SlotSection } from './lead_ins.js';
import type { Listed } from './sections.js';
import { kindText, type SlotKind } from './slot_kinds.js';

/** A slot, or a piece of one. */
export interface SlotStep {
  readonly kind: 'slot';
  /** Position of its entry in the group's row of the table. */
  readonly entry: number;
  readonly slot: SlotKind;
  readonly microbatch: number;
  /** The chunk's first slot of this direction. */
  readonly first: boolean;
  /** Whether a chunk, or with it the whole group, has come to its last slot. */
  readonly last: 'no' | 'chunk' | 'group';
  readonly isWoven: boolean;
  /** Which of the pieces of a slot that is cut; null: all of it. */
  readonly piece: Piece | null;
}

/** A run of what a slot does: entries of its section's body from one place up to, not including, another. */
export interface Piece {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** `section`: what a slot of this kind runs. */
export function slotOrder(
  entries: readonly Entry[],
  section: (slot: SlotKind, first: boolean) => SlotSection,
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
      const kind = 'slot';
      return { kind, entry, slot: { chunk, direction }, microbatch, first, last, isWoven: false, piece: null };
    });
    const alike = new Set(steps.map(({ slot }) => kindText(slot))).size < steps.length;
    if (steps.length < 2 || alike || steps.some(({ last }) => last !== 'no'))
      return steps.flatMap((step) => {
        const its = section(step.slot, step.first);
        return step.last === 'group' ? [step] : pieces(step, its.body, cutsOf(its));
      });
    return inTurn(
      steps.map((step) => {
        const its = section(step.slot, step.first);
        return pieces({ ...step, isWoven: true }, its.body, [...cutsOf(its), ...launchesIn(its.body)]);
      }),
    );
  });
}

/** A slot in pieces that end at these places of its body, in any order, and at its end. */
function pieces(step: SlotStep, body: readonly Listed[], cuts: readonly number[]): readonly SlotStep[] {
  if (cuts.length === 0 && !step.isWoven) return [step];
  const inner = [...new Set(cuts)].filter((at) => at < body.length).sort((a, b) => a - b);
  const ends = [...inner, body.length];
  return ends.map((to, number) => ({ ...step, piece: { number, from: number === 0 ? 0 : ends[number - 1], to } }));
}

/** What of a slot's body a step of it runs. */
export const within = <T>(body: readonly T[], piece: Piece | null): readonly T[] =>
  piece ? body.slice(piece.from, piece.to) : body;

/** The places behind each launch of communication. */
const launchesIn = (body: readonly Listed[]): readonly number[] =>
  body.flatMap((listed, i) => (launches(listed) ? [i + 1] : []));

const launches = ({ step, part }: Listed): boolean => part === 'send' || (part === 'run' && isExchange(step));

/** Two lists as one, each in its order and at its own pace. */
function inTurn<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists
    .flatMap((list, which) => list.map((one, i) => ({ one, which, at: (i + 1) / list.length })))
    .sort((a, b) => a.at - b.at || a.which - b.which)
    .map(({ one }) => one);
}
