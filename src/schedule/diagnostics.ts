import { defineDiagnostic, type Place } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import { slotAt } from './source.js';

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

/** The first places of many. */
const most = 8;
const firstOf = (places: readonly Place[]): readonly Place[] => [
  ...places.slice(0, most),
  ...(places.length > most ? [{ at: `and ${places.length - most} more` }] : []),
];

const othersInWords = (others: number): string =>
  others > 0 ? ` (so it is with ${counted(others, 'more slot')})` : '';

/** One group that waits: for a slot that comes later in the order of a group which waits too. */
export interface Wait {
  readonly entry: string;
  readonly waitsFor: string;
  /** The entry at which the group of that slot waits. */
  readonly behind: string;
  /** Where the entry is, and where the slot. */
  readonly places: readonly [Place, Place];
}

const ringInWords = (waits: readonly Wait[]): string =>
  waits.map(({ entry, waitsFor, behind }) => `${entry} waits for ${waitsFor} behind ${behind}`).join(', ');

export const deadlock = defineDiagnostic('schedule/deadlock', (p: { waits: readonly Wait[] }) => ({
  what: `the pipeline schedule does not complete: ${ringInWords(p.waits)}`,
  why: 'each group does its slots in order, so these wait for each other for ever',
  where: p.waits.flatMap(({ places }) => places),
  fix: 'on one of these groups, move the slot that is waited for before the one that waits',
}));

export const slotTwice = defineDiagnostic(
  'schedule/slot-twice',
  (p: { slot: string; times: number; places: readonly Place[]; others: number; whole: WholeBackward | null }) => ({
    what: `the pipeline schedule has ${p.slot} ${p.times} times`,
    why: `a gradient would be added more than once${othersInWords(p.others)}${p.whole ? `; ${p.whole.name} is the whole backward, with ${p.slot} in it` : ''}`,
    where: firstOf(p.places),
    fix: p.whole ? `write ${p.whole.half} in place of ${p.whole.name}, or drop ${p.slot}` : 'keep one of them',
  }),
);

/** An action of PyTorch's that is the gradients of activations and of weights, and the one that is the former alone. */
export interface WholeBackward {
  readonly name: string;
  readonly half: string;
}

export const slotMissing = defineDiagnostic('schedule/slot-missing', (p: { file: string; slots: string }) => ({
  what: `the pipeline schedule lacks ${p.slots}`,
  why: 'each chunk runs each microbatch forward and backward, once a step',
  where: [{ at: p.file }],
  fix: 'add them, each on the group of its chunk',
}));

export const unknownChunk = defineDiagnostic(
  'schedule/unknown-chunk',
  (p: { chunks: number; places: readonly Place[] }) => ({
    what: `the pipeline schedule names chunks that the model lacks: it has ${p.chunks}, which count from 0`,
    where: firstOf(p.places),
    fix: 'name one of the chunks, or cut the model into as many as the schedule names',
  }),
);

export const microbatchOutOfRange = defineDiagnostic(
  'schedule/microbatch-out-of-range',
  (p: { microbatches: number; places: readonly Place[] }) => ({
    what: `the pipeline schedule names microbatches that the step lacks: it has ${p.microbatches}, which count from 0`,
    where: firstOf(p.places),
    fix: 'drop those slots, or let a step have as many: schedule.microbatches of a plan, or batch.sequences over batch.microbatch and the data-parallel ranks',
  }),
);

export const wrongGroup = defineDiagnostic(
  'schedule/wrong-group',
  (p: { slot: string; row: string; places: readonly Place[] }) => ({
    what: `the pipeline schedule runs ${p.slot} on another group than its chunk's, which is ${p.row}`,
    why: 'a chunk has its weights on one group',
    where: firstOf(p.places),
    fix: 'move these slots to the row of that group, or place the chunk on the group that runs it',
  }),
);

export const wrongGroups = defineDiagnostic(
  'schedule/wrong-groups',
  (p: { file: string; rows: number; groups: number }) => ({
    what: `the pipeline schedule has ${counted(p.rows, 'row')}, and the plan ${counted(p.groups, 'group')}`,
    where: [{ at: p.file }],
    fix: 'write one row a group',
  }),
);

export const weightBeforeBackward = defineDiagnostic(
  'schedule/weight-before-backward',
  (p: { slot: string; backward: string; places: readonly Place[]; others: number }) => ({
    what: `the pipeline schedule runs ${p.slot} before ${p.backward} is done`,
    why: `the gradients of weights are made of what the backward leaves${othersInWords(p.others)}`,
    where: firstOf(p.places),
    fix: 'move it behind its backward',
  }),
);

export const partlySplit = defineDiagnostic(
  'schedule/partly-split',
  (p: { file: string; chunk: number; slots: string }) => ({
    what: `the pipeline schedule splits the backward of chunk ${p.chunk} for some microbatches alone: it lacks ${p.slots}`,
    why: 'a chunk has one text for its backward, with the gradients of weights or without',
    where: [{ at: p.file }],
    fix: 'add the lacking slots, where nothing else is to be gained right behind their backwards, or drop all weight slots of the chunk',
  }),
);

/** What a file says, as far as a message quotes it. */
export const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

export const unreadableFile = defineDiagnostic(
  'schedule/unreadable-file',
  (p: { file: string; reason: string; at?: string }) => ({
    what: `${p.file} is no schedule: ${p.reason}`,
    where: [{ at: p.at ? `${p.file}, ${p.at}` : p.file }],
    fix: 'write {"flotilla_schedule": 1, "groups": ["0F0 0B0", …]}, one text a group, or PyTorch\'s CSV form, one row a rank',
  }),
);

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
    where: [{ at: `schedule, ${slotAt(p.group, p.position)}` }],
    fix: 'write the schedule in our own form, or let these slots run one after the other',
  }),
);
