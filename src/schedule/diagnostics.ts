import { defineDiagnostic } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';

export const unknownSchedule = defineDiagnostic(
  'schedule/unknown-schedule',
  (p: { kind: string; nearest: string | null; known: readonly string[] }) => ({
    what: `there is no pipeline schedule '${p.kind}'`,
    where: [{ at: 'plan, schedule.kind' }],
    fix: p.nearest ? `write '${p.nearest}'` : `use one of ${p.known.join(', ')}`,
  }),
);

export const tooFewMicrobatches = defineDiagnostic(
  'schedule/too-few-microbatches',
  (p: { kind: string; microbatches: number; least: number; groups: number }) => ({
    what: `the pipeline schedule '${p.kind}' takes ${p.least} microbatches or more on ${counted(p.groups, 'group')}, and there ${p.microbatches === 1 ? 'is' : 'are'} ${p.microbatches}`,
    why: 'with fewer, its groups never all work at once',
    where: [{ at: 'plan, schedule.microbatches' }],
    fix: `use ${p.least} or more microbatches, fewer groups, or the schedule 1f1b`,
  }),
);

export const wrongVirtualStages = defineDiagnostic(
  'schedule/wrong-virtual-stages',
  (p: { kind: string; virtualStages: number; takes: string }) => ({
    what: `the pipeline schedule '${p.kind}' takes ${p.takes} a group, and virtual_stages is ${p.virtualStages}`,
    where: [{ at: 'plan, virtual_stages' }],
    fix: `set virtual_stages to what '${p.kind}' takes, or leave it out`,
  }),
);

export const wrongShape = defineDiagnostic('schedule/wrong-shape', (p: { name: string; value: number }) => ({
  what: `a pipeline schedule cannot have ${p.value} ${p.name}`,
  where: [{ at: 'plan, schedule' }],
  fix: `use a whole number of ${p.name} that is 1 or more`,
}));

/** Where a slot stands in a table. `position` counts from 0. */
export interface SlotPlace {
  readonly group: number;
  readonly position: number;
  readonly note?: string;
}

/** As a person counts: groups as plans name them, from 0; slots of a row from 1. */
const at = ({ group, position, note }: SlotPlace) => ({ at: `schedule, group ${group}, slot ${position + 1}`, note });

/** The first places of many. */
const most = 8;
const firstOf = (places: readonly SlotPlace[]) => [
  ...places.slice(0, most).map(at),
  ...(places.length > most ? [{ at: `and ${places.length - most} more` }] : []),
];

const othersInWords = (others: number): string =>
  others > 0 ? ` (so it is with ${counted(others, 'more slot')})` : '';

/** One group that waits: for a slot that comes later in the order of a group which waits too. */
export interface Wait extends SlotPlace {
  readonly entry: string;
  readonly waitsFor: string;
  /** Where that slot is, and the entry at which its group waits. */
  readonly on: SlotPlace & { readonly behind: string };
}

const ringInWords = (waits: readonly Wait[]): string =>
  waits.map(({ entry, waitsFor, on }) => `${entry} waits for ${waitsFor} behind ${on.behind}`).join(', ');

export const deadlock = defineDiagnostic('schedule/deadlock', (p: { waits: readonly Wait[] }) => ({
  what: `the pipeline schedule does not complete: ${ringInWords(p.waits)}`,
  why: 'each group does its slots in order, so these wait for each other for ever',
  where: p.waits.flatMap(({ group, position, entry, on, waitsFor }) => [
    at({ group, position, note: `${entry} waits for ${waitsFor}` }),
    at({ ...on, note: waitsFor }),
  ]),
  fix: 'on one of these groups, move the slot that is waited for before the one that waits',
}));

export const slotTwice = defineDiagnostic(
  'schedule/slot-twice',
  (p: { slot: string; times: number; places: readonly SlotPlace[]; others: number }) => ({
    what: `the pipeline schedule has ${p.slot} ${p.times} times`,
    why: `a gradient would be added more than once${othersInWords(p.others)}`,
    where: firstOf(p.places),
    fix: 'keep one of them',
  }),
);

export const slotMissing = defineDiagnostic('schedule/slot-missing', (p: { slots: string }) => ({
  what: `the pipeline schedule lacks ${p.slots}`,
  why: 'each chunk runs each microbatch forward and backward, once a step',
  where: [{ at: 'schedule' }],
  fix: 'add them, each on the group of its chunk',
}));

export const unknownChunk = defineDiagnostic(
  'schedule/unknown-chunk',
  (p: { chunks: number; places: readonly SlotPlace[] }) => ({
    what: `the pipeline schedule names chunks that the model lacks: it has ${p.chunks}, which count from 0`,
    where: firstOf(p.places),
    fix: 'name one of the chunks, or cut the model into as many as the schedule names',
  }),
);

export const microbatchOutOfRange = defineDiagnostic(
  'schedule/microbatch-out-of-range',
  (p: { microbatches: number; places: readonly SlotPlace[] }) => ({
    what: `the pipeline schedule names microbatches that the step lacks: it has ${p.microbatches}, which count from 0`,
    where: firstOf(p.places),
    fix: 'set schedule.microbatches to as many as the schedule names, or drop those slots',
  }),
);

export const wrongGroup = defineDiagnostic(
  'schedule/wrong-group',
  (p: { slot: string; group: number; places: readonly SlotPlace[] }) => ({
    what: `the pipeline schedule runs ${p.slot} on another group than its chunk's, which is group ${p.group}`,
    why: 'a chunk has its weights on one group',
    where: firstOf(p.places),
    fix: 'move these slots to the row of that group, or place the chunk on the group that runs it',
  }),
);

export const wrongGroups = defineDiagnostic('schedule/wrong-groups', (p: { rows: number; groups: number }) => ({
  what: `the pipeline schedule has ${counted(p.rows, 'row')}, and the plan ${counted(p.groups, 'group')}`,
  where: [{ at: 'schedule' }],
  fix: 'write one row a group',
}));

export const weightBeforeBackward = defineDiagnostic(
  'schedule/weight-before-backward',
  (p: { slot: string; backward: string; places: readonly SlotPlace[]; others: number }) => ({
    what: `the pipeline schedule runs ${p.slot} before ${p.backward} is done`,
    why: `the gradients of weights are made of what the backward leaves${othersInWords(p.others)}`,
    where: firstOf(p.places),
    fix: 'move it behind its backward',
  }),
);

export const partlySplit = defineDiagnostic('schedule/partly-split', (p: { chunk: number; slots: string }) => ({
  what: `the pipeline schedule splits the backward of chunk ${p.chunk} for some microbatches alone: it lacks ${p.slots}`,
  why: 'a chunk has one text for its backward, with the gradients of weights or without',
  where: [{ at: 'schedule' }],
  fix: 'add the lacking slots, where nothing else is to be gained right behind their backwards, or drop all weight slots of the chunk',
}));

/** What a file says, as far as a message quotes it. */
export const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

export const unreadableFile = defineDiagnostic('schedule/unreadable-file', (p: { file: string; reason: string }) => ({
  what: `${p.file} is no schedule: ${p.reason}`,
  where: [{ at: p.file }],
  fix: 'write {"flotilla_schedule": 1, "groups": ["0F0 0B0", …]}, one text a group, or PyTorch\'s CSV form, one row a rank',
}));

export const unreadableSlot = defineDiagnostic(
  'schedule/unreadable-slot',
  (p: { file: string; at: string; text: string; expected: string }) => ({
    what: `${p.file} has a slot that cannot be read: '${shortened(p.text)}'`,
    where: [{ at: `${p.file}, ${p.at}` }],
    fix: `write ${p.expected}`,
  }),
);

export const notPyTorch = defineDiagnostic(
  'schedule/not-pytorch',
  (p: { group: number; position: number; slots: string }) => ({
    what: `PyTorch's form of a schedule cannot weave ${p.slots}`,
    why: 'it has OVERLAP_F_B, a forward with a backward, and nothing else',
    where: [at(p)],
    fix: 'write the schedule in our own form, or let these slots run one after the other',
  }),
);
