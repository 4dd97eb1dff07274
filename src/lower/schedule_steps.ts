/**
 * The schedule of a group, step by step, and which text each runs.
 *
 * The slots of a chunk and direction share a text, in variants: the first makes what all of them share and writes what is summed over
 * microbatches, where later ones add to it; the last of a chunk goes on to reduce what it has completed, and the last of all to the update.
 * What a slot receives is asked for by a step of its own, ahead of it, and so is what it gathers first.
 */
import type { ClassRequest } from './class_request.js';
import { kindText, type Passage, type SlotKind } from './slot_kinds.js';
import type { LeadIn } from './lead_ins.js';
import type { SlotStep } from './slot_order.js';

/** What a template is the text of. */
export type TemplateKind = SlotTemplate | ReceiveTemplate | LeadInTemplate;

export interface SlotTemplate extends Pick<SlotStep, 'kind' | 'slot' | 'first' | 'last' | 'piece'> {
  readonly name: string;
}

export interface LeadInTemplate extends Pick<LeadIn, 'kind' | 'slot' | 'first' | 'segment'> {
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
  return order.flatMap((step): readonly TemplateStep[] => {
    const { kind, slot, first, microbatch } = step;
    if (kind === 'lead-in') {
      const { segment } = step;
      const name = leadInName(step, several);
      return [{ template: shared<LeadInTemplate>({ kind, name, slot, first, segment }), microbatch }];
    }
    const { last, piece } = step;
    const template = shared<SlotTemplate>({ kind, name: slotText(step, several), slot, first, last, piece });
    return [...asked(step.entry), { template, microbatch }];
  });
}

/** `backward.first.last`; `forward 2, piece 0` where the group runs several chunks, and this one is cut. */
function slotText({ slot, first, last, isWoven, piece }: SlotStep, several: boolean): string {
  const variant = `${first ? '.first' : ''}${last === 'no' ? '' : '.last'}`;
  const which = piece === null ? '' : `, piece ${piece.number}`;
  return `${directionText(slot, several)}${variant}${isWoven ? ' woven' : ''}${which}`;
}

/** `lead-in forward.first`; those of a slot's second segment and later ones are numbered. */
const leadInName = ({ slot, first, segment }: LeadIn, several: boolean): string =>
  `lead-in ${directionText(slot, several)}${first ? '.first' : ''}${segment > 0 ? `, segment ${segment}` : ''}`;

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
