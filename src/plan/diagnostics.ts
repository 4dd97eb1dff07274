/** Plans that are refused before anything runs. */
import { defineDiagnostic, nearest, type Place } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import type { GradientReduction } from './plan.js';

/** `nearest`: sizes that are legal, as text. */
/** What leaves ranks without a part of the batch, where it is to be set, and to what. */
export interface IdleCause {
  readonly why: string;
  readonly where: readonly Place[];
  readonly fix: string;
}

/** A warning: such a plan trains. */
export const ranksIdle = defineDiagnostic(
  'plan/ranks-idle',
  (p: { idle: readonly number[]; ranks: number; cause: IdleCause }) => ({
    what: `${p.idle.length === 1 ? 'rank' : 'ranks'} ${rangesOf(p.idle)} of ${p.ranks} ${p.idle.length === 1 ? 'has' : 'have'} nothing to compute`,
    why: p.cause.why,
    where: p.cause.where,
    fix: `${p.cause.fix}; the run goes on as it is`,
  }),
);

/** What keeps the sequences of a step in their own order. */
export interface OrderFault {
  readonly why: string;
  /** Where all keys are gathered it does not. */
  readonly byRing: boolean;
}

/** A warning: such a plan trains, and a setting of it says nothing. */
export const sequencesInOrder = defineDiagnostic(
  'plan/sequences-in-order',
  (p: { fault: OrderFault; file: string; field: string; method: string }) => ({
    what: 'sequences are to be stored head-tail, and lie in their own order',
    why: p.fault.why,
    where: [{ at: p.file, note: `field ${p.field}` }],
    fix: `remove ${p.field}${p.fault.byRing ? `, or set ${p.method} to allgather` : ''}; the run goes on as it is`,
  }),
);

export const planVersionUnknown = defineDiagnostic('plan/version-unknown', (p: { file: string; found: unknown }) => ({
  what: `the plan file has version ${String(p.found)}, and this Flotilla reads versions 1 and 2`,
  where: [{ at: `${p.file}, flotilla_plan` }],
  fix: 'write the plan again with this version of Flotilla',
}));

export const planInvalid = defineDiagnostic(
  'plan/invalid',
  (p: { file: string; field: string; problem: string; fix: string }) => ({
    what: `${p.file} is not a plan`,
    why: p.problem,
    where: [{ at: p.file, ...(p.field && { note: `field ${p.field}` }) }],
    fix: p.fix,
  }),
);

export const planUnknownName = defineDiagnostic(
  'plan/unknown-name',
  (p: {
    file: string;
    field: string;
    kind: 'segment' | 'factor' | 'axis' | 'group';
    name: string;
    known: readonly string[];
  }) => {
    const near = nearest(p.name, p.known);
    return {
      what: `the plan names the ${p.kind} '${p.name}', and ${missing[p.kind]}`,
      where: [{ at: p.file, note: `field ${p.field}` }],
      fix: near
        ? `write '${near}'`
        : `use ${p.known.length === 1 ? `'${p.known[0]}'` : `one of ${shortList(p.known)}`}`,
    };
  },
);

export const planContradiction = defineDiagnostic(
  'plan/contradiction',
  (p: { file: string; field: string; problem: string; why?: string; fix: string; places?: readonly Place[] }) => ({
    what: p.problem,
    ...(p.why && { why: p.why }),
    where: [{ at: p.file, note: `field ${p.field}` }, ...(p.places ?? [])],
    fix: p.fix,
  }),
);

/** How parameters are gathered is said of a stage that gathers none for each segment. */
export const gatherWithoutStage3 = ({ file, field, stage }: { file: string; field: string; stage: number }) =>
  planContradiction({
    file,
    field,
    problem: `${field} is given, and ZeRO's stage is ${stage}`,
    why: 'parameters are gathered segment by segment at stage 3 alone',
    fix: `remove it, or set the stage to 3`,
  });

const setToOneOf = (legal: readonly string[]): string =>
  `set it to ${legal.map((value) => JSON.stringify(value)).join(' or ')}, or remove it`;

/** Gradients in a type that neither ops nor parameters have. */
export const gradientsInAnotherType = (p: {
  file: string;
  field: string;
  gradients: string;
  compute: string;
  master: string;
  legal: readonly string[];
}) =>
  planContradiction({
    file: p.file,
    field: p.field,
    problem: `gradients are to be summed in ${p.gradients}, of ops that compute in ${p.compute} and parameters in ${p.master}`,
    why: 'they come in the type that ops compute in or in that of the parameters, and another would round them or hold nothing more',
    fix: setToOneOf(p.legal),
  });

/** Gradients that are to be reduced in a type which holds more than parameters do. */
export const reducedInMore = (p: {
  file: string;
  field: string;
  reduce: string;
  master: string;
  legal: readonly string[];
}) =>
  planContradiction({
    file: p.file,
    field: p.field,
    problem: `gradients of parameters in ${p.master} are to be reduced in ${p.reduce}`,
    why: 'they come in no wider a type than the parameters have: the bytes would hold nothing more',
    fix: setToOneOf(p.legal),
  });

/** A type for reductions that changes nothing. */
export const reducedForNothing = (p: { file: string; field: string; reduce: string; why: string }) =>
  planContradiction({
    file: p.file,
    field: p.field,
    problem: `gradients are to be reduced in ${p.reduce}, and that says nothing`,
    why: p.why,
    fix: 'remove it',
  });

/** A time for reductions of which there are none. */
export const reductionForNothing = (p: { file: string; field: string; when: GradientReduction; why: string }) =>
  planContradiction({
    file: p.file,
    field: p.field,
    problem: `gradients are to be reduced ${p.when === 'each' ? 'for each microbatch' : 'with the last microbatch'}, and that says nothing`,
    why: p.why,
    fix: 'remove it',
  });

/** A schedule that is made for several groups, on one. */
export const pipelineOfOneGroup = (p: { file: string; field: string; kind: string; chunks: number; fix: string }) =>
  planContradiction({
    file: p.file,
    field: p.field,
    problem: `there is no pipeline, and its schedule is to be ${p.kind}${p.chunks > 1 ? `, with ${p.chunks} chunks of the model on a group` : ''}`,
    why: 'one group waits for no other: it would run the same work in more and smaller parts',
    fix: p.fix,
  });

/** A schedule that takes more microbatches than a step has. `fields`: those that say how many, the first of which `fix` may call `it`. */
export const tooFewMicrobatches = (p: {
  file: string;
  kind: string;
  groups: number;
  microbatches: number;
  least: number;
  fields: readonly string[];
  fix: string;
}) =>
  planContradiction({
    file: p.file,
    field: p.fields[0],
    problem: `the pipeline schedule ${p.kind} takes ${p.least} microbatches or more on ${counted(p.groups, 'group')}, and a step has ${p.microbatches}`,
    why: 'with fewer, its groups never all work at once',
    places: p.fields.slice(1).map((field) => ({ at: p.file, note: `field ${field}` })),
    fix: p.fix,
  });

export const planContradictsConfig = defineDiagnostic(
  'plan/contradicts-config',
  (p: { file: string; field: string; planned: number | string; option: string; given: number | string }) => ({
    what: `the plan is for ${p.option} ${p.planned}, and the configuration has ${p.given}`,
    where: [{ at: p.file, note: `field ${p.field}` }, { at: `config, ${p.option}` }],
    fix: `set ${p.option} to ${p.planned}, or make a plan for ${p.given}`,
  }),
);

export const planNotReproducible = defineDiagnostic('plan/not-reproducible', (p: { file: string }) => ({
  what: 'the run is to be reproducible, and its plan is not',
  why: 'sums over microbatches and ranks follow the plan in order, and so round as it has them',
  where: [{ at: p.file, note: 'field reproducible' }, { at: 'config, reproducible' }],
  fix: 'write "reproducible": true in the plan, or leave reproducible out of the configuration',
}));

export const sharedOtherwise = defineDiagnostic(
  'plan/shared-otherwise',
  (p: { before: string; now: string; folder: string }) => ({
    what: `the run is reproducible, and would go on under a plan that shares each logical microbatch otherwise: ${p.now}, before ${p.before}`,
    why: 'what a rank computes has then another shape, and rounds in other places',
    where: [{ at: p.folder, note: 'plan.json' }],
    fix: 'leave tensor, context and expert sizes and batch.microbatch as they were (data and pipeline sizes, ZeRO and schedules are free), or go on with reproducible=false',
  }),
);

export const planForAnotherModel = defineDiagnostic(
  'plan/for-another-model',
  (p: { file: string; planned: string; model: string }) => ({
    what: `the plan is for another model: ${p.planned}, and this one is ${p.model}`,
    why: 'its segments and splits follow the parameters of the model that it was made for',
    where: [{ at: p.file, note: 'field model' }],
    fix: 'use the configuration that the plan was made with, or make a plan for this one',
  }),
);

export const choicesForAnotherPlan = defineDiagnostic(
  'plan/choices-for-another-plan',
  (p: { file: string; field: string; value: unknown; count: number }) => {
    const text = JSON.stringify(p.value);
    const now = text === undefined ? 'is left out' : text.length > 60 ? 'is another' : `is ${text}`;
    return {
      what: `${p.field} ${now}, and the plan's ${counted(p.count, 'assignment')} and reshards were chosen when it was something else`,
      why: 'they place every op for the layout of then: they would undo the change, or name nodes that there are no more',
      where: [
        { at: p.file, note: `field ${p.field}` },
        { at: p.file, note: 'field chosen_for' },
      ],
      fix: 'remove assignments, reshards, validation and chosen_for: they are chosen anew; or make the change in the plan.json beside it, which has none of them. To keep them as your own, remove chosen_for alone',
    };
  },
);

/** `0 to 3, 5`: numbers in order, runs shortened. */
function rangesOf(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const n of numbers) {
    const last = runs.at(-1);
    if (last?.[1] === n - 1) last[1] = n;
    else runs.push([n, n]);
  }
  return runs
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`))
    .join(', ');
}

const missing = {
  axis: 'no group has it',
  group: 'there is none of that name',
  segment: 'the model has none of that name',
  factor: 'the model has none of that name',
} as const;

/** Names in a list that fits on a line. */
function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `'${name}'`);
  return names.length > 8 ? `${shown.join(', ')} and ${names.length - 8} more` : shown.join(', ');
}
