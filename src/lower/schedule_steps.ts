/**
 * The schedule of a group, slot by slot, and which text each of its steps runs.
 *
 * The slots of a chunk and direction share a text, in variants: the first makes what all of them share and writes what is summed over
 * microbatches, where later ones add to it; the last of a chunk goes on to reduce what it has completed, and the last of all to the update.
 * What a slot receives is asked for by a step of its own, ahead of it.
 */
import type { ClassRequest } from './class_request.js';
import { kindText, type Passage, type SlotKind } from './slot_kinds.js';

/** What a template is the text of. */
export type TemplateKind = SlotTemplate | ReceiveTemplate;

export interface SlotTemplate {
  readonly kind: 'slot';
  readonly name: string;
  readonly slot: SlotKind;
  readonly first: boolean;
  /** Whether a chunk, or with it the whole group, has come to its last slot. */
  readonly last: 'no' | 'chunk' | 'group';
}

export interface ReceiveTemplate {
  readonly kind: 'receive';
  readonly name: string;
  readonly passage: Passage;
}

export interface TemplateStep {
  readonly template: TemplateKind;
  readonly microbatch: number;
}

/** Steps that share a text share the object that describes it. */
export function scheduleSteps({
  slots,
  receives,
  stepSlots: { passages },
}: Pick<ClassRequest, 'slots' | 'receives' | 'stepSlots'>): readonly TemplateStep[] {
  const templates = new Map<string, TemplateKind>();
  const shared = <T extends TemplateKind>(made: T): T => {
    const known = templates.get(made.name) as T | undefined;
    templates.set(made.name, known ?? made);
    return known ?? made;
  };
  const several = new Set(slots.map(({ chunk }) => chunk)).size > 1;
  const ends = lastSlots(slots);
  const seen = new Set<string>();
  const next = { receive: 0 };
  const asked = (before: number): TemplateStep[] => {
    const steps: TemplateStep[] = [];
    for (; receives[next.receive]?.before === before; next.receive++) {
      const { passage, microbatch } = receives[next.receive];
      const name = receiveName(passage, passages, several);
      steps.push({ template: shared({ kind: 'receive', name, passage }), microbatch });
    }
    return steps;
  };
  return slots.flatMap((slot, i) => {
    const { chunk, direction, microbatch } = slot;
    const first = !seen.has(kindText(slot));
    seen.add(kindText(slot));
    const last = i === slots.length - 1 ? 'group' : ends.has(i) ? 'chunk' : 'no';
    const name = `${directionText({ chunk, direction }, several)}${first ? '.first' : ''}${last === 'no' ? '' : '.last'}`;
    const template = shared({ kind: 'slot' as const, name, slot: { chunk, direction }, first, last });
    return [...asked(i), { template, microbatch }];
  });
}

/** Positions of the last slot of each chunk. */
function lastSlots(slots: ClassRequest['slots']): ReadonlySet<number> {
  return new Set(new Map(slots.map(({ chunk }, i) => [chunk, i])).values());
}

/** `backward`, and `backward 2` where the group runs several chunks. */
const directionText = ({ chunk, direction }: SlotKind, several: boolean): string =>
  several ? `${direction} ${chunk}` : direction;

/** `receive forward`; a slot that receives several values has them numbered. */
function receiveName(passage: Passage, passages: readonly Passage[], several: boolean): string {
  const same = passages.filter(
    ({ transfer, taken }) => transfer.group === passage.transfer.group && kindText(taken) === kindText(passage.taken),
  );
  const number = same.length > 1 ? `.${same.indexOf(passage)}` : '';
  return `receive ${directionText(passage.taken, several)}${number}`;
}
