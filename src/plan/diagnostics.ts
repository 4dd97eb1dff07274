/** Plans that are refused before anything runs. */
import { defineDiagnostic, nearest, type Place } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import { divisorsOf } from '../options/divisors.js';
import { multiplesNear } from '../options/multiples_near.js';
import type { GradientReduction } from './plan.js';

/** `nearest`: sizes that are legal, as text. */
export const worldSizeMismatch = defineDiagnostic(
  'plan/world-size-mismatch',
  (p: { data: number; tensor: number; pipeline: number; ranks: number; nearest: string; isLegal: boolean }) => ({
    what: `the plan needs ${counted(p.data * p.tensor * p.pipeline, 'rank')} (data ${p.data} × tensor ${p.tensor} × pipeline ${p.pipeline}), and there are ${p.ranks}`,
    where: [{ at: 'config, plan' }, { at: 'WORLD_SIZE or --ranks', note: `${p.ranks}` }],
    fix: `${p.isLegal ? `start ${counted(p.data * p.tensor * p.pipeline, 'rank')}, or ` : ''}on ${counted(p.ranks, 'rank')} the nearest legal plan is ${p.nearest}`,
  }),
);

export const tooManyTensorRanks = defineDiagnostic(
  'plan/too-many-tensor-ranks',
  (p: { tensor: number; factor: string; size: number; nearest: string }) => ({
    what: `tensor_parallel_size ${p.tensor} is more than the model's ${p.size} ${p.factor}`,
    why: 'a rank would hold no part of the layer',
    where: [{ at: 'config, plan.tensor_parallel_size' }],
    fix: `the nearest legal plan is ${p.nearest} (sizes that do not divide ${p.factor} are legal: parts are then uneven)`,
  }),
);

export const nothingForTensorRanks = defineDiagnostic(
  'plan/nothing-for-tensor-ranks',
  (p: { tensor: number; model: string; data: number }) => ({
    what: `tensor_parallel_size ${p.tensor} has nothing to split in the model ${p.model}`,
    why: 'its parameters have none of the factors heads, kv_group, hidden, vocab and experts: every rank would do the same work',
    where: [{ at: 'config, plan.tensor_parallel_size' }],
    fix: `the nearest legal plan is tensor_parallel_size 1, data_parallel_size ${p.data * p.tensor}; a plan file can split other factors`,
  }),
);

export const batchDoesNotDivide = defineDiagnostic(
  'plan/batch-does-not-divide',
  (p: { sequences: number; microbatch: number }) => ({
    what: `a batch of ${counted(p.sequences, 'sequence')} does not divide into logical microbatches of ${p.microbatch}`,
    where: [{ at: 'config, batch.sequences' }, { at: 'config, batch.microbatch' }],
    fix: `use a multiple: ${Math.max(1, Math.round(p.sequences / p.microbatch)) * p.microbatch} sequences`,
  }),
);

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

export const shardSizeDoesNotDivide = defineDiagnostic(
  'plan/shard-size-does-not-divide',
  (p: { shard: number; data: number }) => ({
    what: `shard_size ${p.shard} does not divide the ${p.data} data-parallel ranks`,
    why: 'each replica is the same number of shards',
    where: [{ at: 'config, plan.shard_size' }, { at: 'config, plan.data_parallel_size' }],
    fix: `${divisorsNear(p.data, p.shard).length > 0 ? `set it to ${divisorsNear(p.data, p.shard).join(' or ')}` : 'remove it'}, or set data_parallel_size to ${multiplesNear(p.data, p.shard).join(' or ')}`,
  }),
);

/** How many ranks share what is split is said of a plan that splits nothing. */
export const shardsWithoutZero = ({ shard }: { shard: number }) =>
  planContradiction({
    file: 'the configuration',
    field: 'plan.shard_size',
    problem: `shard_size is ${shard}, and ZeRO's stage is 0`,
    why: 'at stage 0 every rank keeps all that belongs to its parameters',
    fix: 'remove it, or set zero_stage to 1, 2 or 3',
  });

/** Shards that are each whole. */
export const shardsOfOneRank = ({ data }: { data: number }) =>
  planContradiction({
    file: 'the configuration',
    field: 'plan.shard_size',
    problem: 'shard_size is 1, and ZeRO is to split among so many ranks: that says nothing',
    why: 'a shard of one rank is all that belongs to its parameters',
    fix: `${data > 1 ? `set it to ${divisorsNear(data, 1).join(' or ')}, or ` : ''}remove it${data > 1 ? ' and set zero_stage to 0' : ''}`,
  });

export const planContradictsConfig = defineDiagnostic(
  'plan/contradicts-config',
  (p: { file: string; field: string; planned: number | string; option: string; given: number | string }) => ({
    what: `the plan is for ${p.option} ${p.planned}, and the configuration has ${p.given}`,
    where: [{ at: p.file, note: `field ${p.field}` }, { at: `config, ${p.option}` }],
    fix: `set ${p.option} to ${p.planned}, or make a plan for ${p.given}`,
  }),
);

export const tooManyStages = defineDiagnostic(
  'plan/too-many-stages',
  (p: { pipeline: number; virtualStages: number; segments: number; nearest: string }) => ({
    what:
      p.virtualStages === 1
        ? `pipeline_parallel_size ${p.pipeline} is more than the model's ${counted(p.segments, 'segment')}`
        : `pipeline_parallel_size ${p.pipeline} × virtual_stages ${p.virtualStages} is more than the model's ${counted(p.segments, 'segment')}`,
    why: 'a chunk would have nothing to compute',
    where: [
      { at: 'config, plan.pipeline_parallel_size' },
      ...(p.virtualStages === 1 ? [] : [{ at: 'config, plan.virtual_stages' }]),
    ],
    fix: `the nearest legal plan is ${p.nearest}`,
  }),
);

export const stageLayersDiffer = defineDiagnostic(
  'plan/stage-layers-differ',
  (p: { given: readonly number[]; chunks: number; layers: number; empty: number }) => {
    const total = p.given.reduce((sum, count) => sum + count, 0);
    // Of more chunks than layers the first has the embedding alone, or the last the head.
    const ends = p.chunks > p.layers ? 1 : 0;
    const cut = (i: number) => Math.floor((i * (p.layers + 2 * ends)) / p.chunks);
    const even = Array.from(
      { length: p.chunks },
      (_, i) => cut(i + 1) - cut(i) - (i === 0 || i === p.chunks - 1 ? ends : 0),
    );
    return {
      what:
        p.given.length !== p.chunks
          ? `stage_layers is of length ${p.given.length}, and the pipeline has ${counted(p.chunks, 'chunk')}`
          : total !== p.layers
            ? `stage_layers ${JSON.stringify(p.given)} are ${counted(total, 'layer')}, and the model has ${p.layers}`
            : `stage_layers ${JSON.stringify(p.given)} leave chunk ${p.empty} nothing to compute: neither the embedding nor the head is in it`,
      where: [{ at: 'config, plan.stage_layers' }],
      fix: `write one entry a chunk that add up to ${p.layers}; even ones are ${JSON.stringify(even)}`,
    };
  },
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

/** The largest divisor of a number below another, and the smallest above it, of those that are more than one. */
function divisorsNear(of: number, near: number): readonly number[] {
  const all = divisorsOf(of).filter((n) => n > 1);
  return [all.findLast((n) => n < near), all.find((n) => n > near)].filter((n) => n !== undefined);
}

/** Names in a list that fits on a line. */
function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `'${name}'`);
  return names.length > 8 ? `${shown.join(', ')} and ${names.length - 8} more` : shown.join(', ');
}
