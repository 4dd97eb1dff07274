/**
 * Changes that keep a program right: what lanes and names already order stays ordered. The verifier must accept all of them.
 */
import { DEFAULT_ALIGNMENT } from '../../src/memory/index.js';
import { describedKind } from '../../src/program/kinds.js';
import type { Contract, EventInstruction, Instruction, Program } from '../../src/program/program.js';
import { instanceKey, instructionsOf } from '../../src/program/unroll.js';
import { bytesOf } from '../../src/ir/type.js';
import {
  areIndependent,
  editBody,
  editClass,
  exchange,
  moveTo,
  scoped,
  sitesOf,
  splitClass,
  type Site,
} from './edit.js';
import type { Mutations } from './mutant.js';

export const reorderings: Mutations = {
  /** Neighbours on the compute lane that touch no byte in common. */
  exchange_independent: (original, random) => {
    const program = scoped(original, random);
    const pairs = neighbours(sitesOf(program, (x) => x.lane === 'compute' && !isEvent(x))).filter(([a, b]) => {
      const rankClass = program.classes[a.c];
      return areIndependent(rankClass, rankClass.templates[a.t].name, a.instruction, b.instruction);
    });
    if (pairs.length === 0) return null;
    const [a, b] = random.pick(pairs);
    return { program: exchange(program, a, b), aims: [a, b] };
  },
  /** Neighbours in launch order on two lanes: neither waits for the other. */
  exchange_lanes: (original, random) => {
    const program = scoped(original, random);
    const pairs = neighbours(sitesOf(program, () => true)).filter(
      ([{ instruction: a }, { instruction: b }]) =>
        a.lane !== b.lane && !(isEvent(a) && isEvent(b) && a.event === b.event) && !(meets(a) && meets(b)),
    );
    if (pairs.length === 0) return null;
    const [a, b] = random.pick(pairs);
    return { program: exchange(program, a, b), aims: [a, b] };
  },
  /** A wait for what was signalled earlier in the template, anywhere later on the compute lane. */
  extra_wait: (original, random) => {
    const program = scoped(original, random);
    const signals = sitesOf(program, (x) => x.kind === 'signal' && !(travels(program) && x.lane !== 'compute'));
    if (signals.length === 0) return null;
    const signal = random.pick(signals);
    const body = instructionsOf(program.classes[signal.c].templates[signal.t]);
    const { event, each, source } = signal.instruction as EventInstruction;
    const at = signal.i + 1 + random.int(body.length - signal.i);
    const wait: Instruction = { kind: 'wait', event, each, lane: 'compute', source };
    return {
      program: editBody(program, signal, (b) => [...b.slice(0, at), wait, ...b.slice(at)]),
      aims: [{ ...signal, i: at }],
    };
  },
  /** A wait comes earlier, though not before the signal that it waits for. */
  earlier_wait: (original, random) => {
    const program = scoped(original, random);
    const waits = sitesOf(program, (x) => x.kind === 'wait').flatMap((site) => {
      const body = instructionsOf(program.classes[site.c].templates[site.t]);
      const { event } = site.instruction as EventInstruction;
      let first = site.i;
      while (first > 0 && !signals(body[first - 1], event) && mayPass(program, site, body[first - 1])) first--;
      return first < site.i ? [{ site, first }] : [];
    });
    if (waits.length === 0) return null;
    const { site, first } = random.pick(waits);
    const to = first + random.int(site.i - first);
    return { program: moveTo(program, site, to), aims: [{ ...site, i: to }, site] };
  },
  /** A signal comes later, though not after anything that waits for it. */
  later_signal: (original, random) => {
    const program = scoped(original, random);
    const sites = sitesOf(program, (x) => x.kind === 'signal').flatMap((site) => {
      const body = instructionsOf(program.classes[site.c].templates[site.t]);
      const { event } = site.instruction as EventInstruction;
      let last = site.i;
      while (last + 1 < body.length && !about(body[last + 1], event) && mayPass(program, site, body[last + 1])) last++;
      return last > site.i ? [{ site, last }] : [];
    });
    if (sites.length === 0) return null;
    const { site, last } = random.pick(sites);
    const to = site.i + 1 + random.int(last - site.i);
    return { program: moveTo(program, site, to + 1), aims: [{ ...site, i: to }] };
  },
  rename_events: (original, random) => {
    const program = scoped(original, random);
    const c = random.int(program.classes.length);
    const suffix = ` ${random.int(1000)}`;
    const renamed = editClass(program, c, (rankClass) => ({
      ...rankClass,
      templates: rankClass.templates.map((template) => ({
        ...template,
        body: instructionsOf(template).map((x) =>
          isEvent(x) ? { ...x, event: [...x.event].reverse().join('') + suffix } : x,
        ),
      })),
    }));
    return { program: renamed, aims: [] };
  },
  /** Who writes and reads state finds it by name. */
  shuffle_contract: (original, random) => {
    const program = scoped(original, random);
    const c = random.int(program.classes.length);
    const shuffled = ({ values }: Contract): Contract => {
      const from = random.int(values.length);
      return { values: [...values.slice(from), ...values.slice(0, from)].reverse() };
    };
    const changed = editClass(program, c, (rankClass) => ({
      ...rankClass,
      before: shuffled(rankClass.before),
      after: shuffled(rankClass.after),
      inputs: [...rankClass.inputs].reverse(),
    }));
    return { program: changed, aims: [] };
  },
  /** One rank gets a text of its own, equal to that of the others. */
  split_class: (program, random) => {
    const c = random.int(program.classes.length);
    const { members } = program.classes[c];
    if (members.length < 2) return null;
    return { program: splitClass(program, c, random.int(members.length)).program, aims: [] };
  },
  /** A buffer lies where nothing else does, in all steps of its instance. */
  move_buffer: (original, random) => {
    const program = scoped(original, random);
    const c = random.int(program.classes.length);
    const { values, schedule, arenaBytes } = program.classes[c];
    const step = random.pick(schedule);
    const bases = Object.keys(step.offsets).map(Number);
    if (bases.length === 0) return null;
    const base = random.pick(bases);
    const key = instanceKey(values, base, step.microbatch);
    const offset = Math.ceil(arenaBytes / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;
    const moved = editClass(program, c, (rankClass) => ({
      ...rankClass,
      arenaBytes: offset + bytesOf(values[base].type),
      schedule: schedule.map((one) =>
        one.offsets[base] !== undefined && instanceKey(values, base, one.microbatch) === key
          ? { ...one, offsets: { ...one.offsets, [base]: offset } }
          : one,
      ),
    }));
    return { program: moved, aims: [] };
  },
};

const neighbours = (sites: readonly Site[]): readonly (readonly [Site, Site])[] =>
  sites.flatMap((a, k) => {
    const b = sites[k + 1];
    return b && b.c === a.c && b.t === a.t && b.i === a.i + 1 ? [[a, b] as const] : [];
  });

/**
 * Within a group all ranks launch in one order, and a wait for what was launched before cannot hang. Between groups there is no such order:
 * a rank that waits longer may keep another from what it waits for.
 */
const travels = (program: Program): boolean => program.groups.length > 1;
const mayPass = (program: Program, site: Site, other: Instruction): boolean =>
  !travels(program) || other.lane !== site.instruction.lane;

const isEvent = (x: Instruction): x is EventInstruction => x.kind === 'signal' || x.kind === 'wait';
const meets = (x: Instruction): boolean => describedKind(x).meets;
const signals = (x: Instruction, event: string): boolean => x.kind === 'signal' && x.event === event;
const about = (x: Instruction, event: string): boolean => isEvent(x) && x.event === event;
