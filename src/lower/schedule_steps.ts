/**
 * The schedule of a group, step by step, and which text each runs.
 *
 * The slots of a chunk and direction share a text, in variants: the first makes what all of them share and writes what is summed over
 * microbatches, where later ones add to it; the last of a chunk goes on to reduce what it has completed, and the last of all to the update.
 * What a slot receives is asked for by a step of its own, ahead of it.
 */
import type { ClassRequest } from './class_request.js';
import { kindText, type Passage, type SlotKind } from './slot_kinds.js';
import type { SlotStep } from './slot_order.js';

/** What a template is the text of. */
export type TemplateKind = SlotTemplate | ReceiveTemplate;

export interface SlotTemplate extends Pick<SlotStep, 'slot' | 'first' | 'last' | 'piece'> {
  readonly kind: 'slot';
  readonly name: string;
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
  order,
  receives,
  stepSlots: { passages },
}: Pick<ClassRequest, 'order' | 'receives' | 'stepSlots'>): readonly TemplateStep[] {
  const templates = new Map<string, TemplateKind>();
  const shared = <T extends TemplateKind>(made: T): T => {
    const known = templates.get(made.name) as T | undefined;
    templates.set(made.name, known ?? made);
    return known ?? made;
  };
  const several = new Set(order.map(({ slot }) => slot.chunk)).size > 1;
  let next = 0;
  const asked = (entry: number): TemplateStep[] => {
    const steps: TemplateStep[] = [];
    for (; next < receives.length && receives[next].before <= entry; next++) {
      const { passage, microbatch } = receives[next];
      const name = receiveName(passage, passages, several);
      steps.push({ template: shared({ kind: 'receive', name, passage }), microbatch });
    }
    return steps;
  };
  return order.flatMap((step) => {
    const { slot, first, last, piece, microbatch } = step;
    const template: SlotTemplate = shared({ kind: 'slot', name: slotText(step, several), slot, first, last, piece });
    return [...asked(step.entry), { template, microbatch }];
  });
}

/** `backward.first.last`; `forward 2, piece 0` where the group runs several chunks, and this one woven with another. */
function slotText({ slot, first, last, piece }: SlotStep, several: boolean): string {
  const variant = `${first ? '.first' : ''}${last === 'no' ? '' : '.last'}`;
  return `${directionText(slot, several)}${variant}${piece === null ? '' : `, piece ${piece}`}`;
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
