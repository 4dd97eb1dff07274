/**
 * What users of other frameworks reported, as a pass of ours could do it: gradients that are silently wrong where parallelisms mix, and
 * groups that hang. Each is one edit that keeps what it can consistent.
 *
 * Sources: Megatron-LM#7452 (eleven findings: denominators, norms over the wrong group), #5240 and #5749 (communicators of two ranks that
 * are entered in different order), #1784; torchtitan#4245 (a bias counted once a tensor rank), #4154; DeepSpeed#8195; pytorch#134050,
 * #149768, #179502, #191926; AReaL#1468 (moments that are dropped).
 */
import { elementsOf, factorsOf } from '../../../src/ir/type.js';
import type {
  CollectiveInstruction,
  Instruction,
  KernelInstruction,
  Program,
  RankClass,
  ValueIndex,
} from '../../../src/program/program.js';
import { describedKind } from '../../../src/program/kinds.js';
import {
  editBody,
  editSchedule,
  exchange,
  reads,
  replaceAt,
  sitesOf,
  splitClass,
  withValue,
  writes,
  type Site,
} from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import { drop, isCollective, isKernel, mutant, onOne, readAnother } from './site.js';

export const reported: Mutations = {
  /** A mean over another count, a norm, a rate or a clipping factor that is another scalar, or one that is not yet summed. */
  wrong_count: onOne(isKernel, (program, site, random) => {
    const { values } = program.classes[site.c];
    const scalars = reads(site.instruction).filter((value) => factorsOf(values[value].type).length === 0);
    return readAnother(program, site, scalars, random);
  }),
  /** One term of a sum is left out: a bucket of the norm, a group's part of the gradient of a tied weight, a residual branch. */
  leave_out_a_term: onOne(
    (x) => isKernel(x) && (x as KernelInstruction).op === 'add',
    (program, site, random) => {
      const { inputs, outputs } = site.instruction as KernelInstruction;
      const { value } = random.pick(inputs);
      const rewired = editBody(program, site, (body) => body.map((x) => withValue(x, outputs[0].value, value, 'read')));
      return mutant(replaceAt(rewired, site), site);
    },
  ),
  /** A gradient averaged twice, a factor applied again: over what it has just written. */
  apply_twice: onOne(isKernel, (program, site, random) => {
    const kernel = site.instruction as KernelInstruction;
    const { values } = program.classes[site.c];
    const output = kernel.outputs[0].value;
    const alike = kernel.inputs.flatMap(({ value }, k) =>
      sameBlock(program.classes[site.c], value, output) ? [k] : [],
    );
    if (alike.length === 0 || values[output].view?.made) return null;
    const k = random.pick(alike);
    const inputs = kernel.inputs.map((one, i) => (i === k ? { ...one, value: output } : one));
    return mutant(replaceAt(program, site, kernel, { ...kernel, inputs }), site);
  }),
  /** What is reduced is reduced again: each rank's part counts as often as there are ranks. */
  reduce_again: onOne(isCollective, (program, site) => {
    const collective = site.instruction as CollectiveInstruction;
    if (collective.move.kind !== 'all_reduce') return null;
    const again = { ...collective, input: { ...collective.input, value: collective.output.value } };
    return mutant(replaceAt(program, site, collective, again), site);
  }),
  /** A bias counted once a rank: what reads a sum reads a rank's part of it, and the result is reduced. */
  reduce_behind_the_reader: onOne(isCollective, (program, site, random) => {
    const collective = site.instruction as CollectiveInstruction;
    if (collective.move.kind !== 'all_reduce') return null;
    const [sum, part] = [collective.output.value, collective.input.value];
    const readers = sitesOf(program, isKernel).filter(
      ({ c, t, i, instruction }) =>
        c === site.c &&
        t === site.t &&
        i > site.i &&
        reads(instruction).includes(sum) &&
        sameBlock(program.classes[c], sum, writes(instruction)[0]),
    );
    if (readers.length === 0) return null;
    const reader = random.pick(readers);
    const [result] = writes(reader.instruction);
    const late: CollectiveInstruction = {
      ...collective,
      input: { ...collective.input, value: result },
      output: { ...collective.output, value: result },
    };
    const early = withValue(reader.instruction, sum, part, 'read');
    const changed = editBody(program, site, (body) =>
      body.flatMap((x, i) => (i === site.i ? [] : i === reader.i ? [early, late] : [x])),
    );
    return mutant(changed, site, reader);
  }),
  /** Two communicators that one rank enters in another order than the others. */
  one_rank_enters_in_other_order: onOneRank(
    (x) => describedKind(x).meets,
    (program, site, random) => {
      const later = sitesOf(program, (x) => describedKind(x).meets && x.lane !== site.instruction.lane).filter(
        ({ c, t, i }) => c === site.c && t === site.t && i > site.i,
      );
      if (later.length === 0) return null;
      const other = random.chance(0.6) ? later[0] : random.pick(later);
      return mutant(exchange(program, site, other), site, other);
    },
  ),
  /** One rank does not take part. */
  one_rank_stays_away: onOneRank(
    (x) => describedKind(x).meets,
    (program, site) => drop(program, site),
  ),
  /** One rank does not wait for what the others wait for, or does not compute what they do. */
  one_rank_leaves_out: onOneRank(
    (x) => !describedKind(x).meets,
    (program, site) => drop(program, site),
  ),
  /** The same ranks, by another communicator's order: a group of two entered from its other end. */
  other_lane: onOne(
    (x) => isCollective(x) || x.kind === 'send' || x.kind === 'receive',
    (program, site, random) => {
      const lanes = [
        ...new Set(
          sitesOf(program, ({ kind }) => kind === 'collective' || kind === 'send' || kind === 'receive').map(
            ({ instruction }) => instruction.lane,
          ),
        ),
      ].filter((lane) => lane !== site.instruction.lane);
      if (lanes.length === 0) return null;
      return mutant(replaceAt(program, site, { ...site.instruction, lane: random.pick(lanes) } as Instruction), site);
    },
  ),
  /** Gradients are reduced when all microbatches but the last are summed. */
  reduce_a_microbatch_early: exchangeVariants((a, b) => a.includes('.last') !== b.includes('.last')),
  /** A later microbatch writes where it should add: what came before is lost. */
  sum_from_a_later_one: exchangeVariants((a, b) => a.includes('.first') !== b.includes('.first')),
};

/** As `onOne`, of one rank that is split off from its class. */
function onOneRank(fits: (instruction: Instruction) => boolean, change: Parameters<typeof onOne>[1]): Mutation {
  return (original, random) => {
    const several = original.classes.flatMap(({ members }, c) => (members.length > 1 ? [c] : []));
    const chosen =
      several.length > 0 && random.chance(0.8) ? random.pick(several) : random.int(original.classes.length);
    const { program, c } = splitClass(original, chosen, random.int(original.classes[chosen].members.length));
    const sites: readonly Site[] = sitesOf(program, fits).filter((site) => site.c === c);
    return sites.length === 0 ? null : change(program, random.pick(sites), random);
  };
}

/** Two slots of one chunk and direction have each other's text, in one class or, of equal schedules, in all. */
function exchangeVariants(differ: (a: string, b: string) => boolean): Mutation {
  return (program, random) => {
    const c = random.int(program.classes.length);
    const { schedule } = program.classes[c];
    const bare = (template: string) => template.replace(/\.(first|last)/g, '');
    const pairs = schedule.flatMap((a, i) =>
      schedule.flatMap((b, j) =>
        i < j && bare(a.template) === bare(b.template) && differ(a.template, b.template) ? [[i, j] as const] : [],
      ),
    );
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    return { program: inEach(program, c, i, j, random.chance(0.6)), aims: [] };
  };
}

function inEach(program: Program, c: number, i: number, j: number, all: boolean): Program {
  const names = program.classes[c].schedule.map(({ template }) => template).join();
  return program.classes.reduce(
    (changed, { schedule }, k) =>
      k === c || (all && schedule.map(({ template }) => template).join() === names)
        ? editSchedule(changed, k, (steps) =>
            steps.map((step, n) => (n === i ? textOf(steps, j, step) : n === j ? textOf(steps, i, step) : step)),
          )
        : changed,
    program,
  );
}

/** The text of another step, on its own microbatch; buffers that only that one has lie where they lay there. */
const textOf = (
  steps: RankClass['schedule'],
  from: number,
  step: RankClass['schedule'][number],
): RankClass['schedule'][number] => ({
  ...step,
  template: steps[from].template,
  offsets: { ...steps[from].offsets, ...step.offsets },
});

/** Whether two values have blocks of equal type and sizes. */
function sameBlock({ values }: RankClass, a: ValueIndex, b: ValueIndex): boolean {
  const text = (index: ValueIndex) => {
    const { type } = values[index];
    return `${type.dtype} ${elementsOf(type)} ${factorsOf(type)
      .map(({ size }) => size)
      .join()}`;
  };
  return text(a) === text(b);
}
