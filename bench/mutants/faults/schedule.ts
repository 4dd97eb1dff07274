/**
 * Wrong schedules: slots exchanged, left out, run twice, for another microbatch, by another template; what is received asked for in another
 * order, or too late; gradients of weights before what they are made of; weights that are gathered ahead of another slot, too late, or
 * before they are updated.
 */
import { baseOf } from '../../../src/program/place.js';
import type { RankClass, ScheduleStep, ValueIndex } from '../../../src/program/program.js';
import { instructionsOf } from '../../../src/program/unroll.js';
import { editClass, editSchedule, reads, writes } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';
import { inSchedule } from './site.js';

export const schedule: Mutations = {
  swap_schedule_steps: inSchedule((program, c, _step, index, random) =>
    editSchedule(program, c, (schedule) => {
      const other = (index + 1 + random.int(Math.max(1, schedule.length - 1))) % schedule.length;
      return schedule.map((one, i) => (i === index ? schedule[other] : i === other ? schedule[index] : one));
    }),
  ),
  drop_schedule_step: inSchedule((program, c, _step, index) =>
    editSchedule(program, c, (schedule) => schedule.filter((_, i) => i !== index)),
  ),
  repeat_schedule_step: inSchedule((program, c, step, index) =>
    editSchedule(program, c, (schedule) => [...schedule.slice(0, index), step, ...schedule.slice(index)]),
  ),
  wrong_microbatch: inSchedule((program, c, step, index, random) =>
    program.microbatches < 2
      ? null
      : editSchedule(program, c, (schedule) =>
          schedule.map((one, i) =>
            i === index
              ? {
                  ...one,
                  microbatch: (step.microbatch + 1 + random.int(program.microbatches - 1)) % program.microbatches,
                }
              : one,
          ),
        ),
  ),
  wrong_variant: inSchedule((program, c, step, index, random) => {
    const { templates } = program.classes[c];
    const others = templates.filter((t) => t.name !== step.template && direction(t.name) === direction(step.template));
    if (others.length === 0) return null;
    const { name: template } = random.pick(others);
    return editSchedule(program, c, (schedule) => schedule.map((one, i) => (i === index ? { ...one, template } : one)));
  }),
  exchange_receive_steps: onSteps(
    (rankClass, step) => isReceive(rankClass, step),
    (rankClass, schedule, index) => {
      const other = schedule.findIndex((step, i) => i > index && isReceive(rankClass, step));
      if (other < 0) return null;
      return schedule.map((step, i) => (i === index ? schedule[other] : i === other ? schedule[index] : step));
    },
  ),
  receive_behind_its_slot: onSteps(
    (rankClass, step) => isReceive(rankClass, step),
    (rankClass, schedule, index) => {
      const taken = schedule.findIndex(
        (step, i) =>
          i > index && step.microbatch === schedule[index].microbatch && takes(rankClass, step, schedule[index]),
      );
      return taken < 0 ? null : moved(schedule, index, taken);
    },
  ),
  weight_before_backward: onSteps(
    (_, step) => step.template.startsWith('weight'),
    (rankClass, schedule, index) => {
      const chunk = chunkOf(rankClass, schedule[index]);
      const backward = schedule.findIndex(
        (step) =>
          step.microbatch === schedule[index].microbatch &&
          step.template.startsWith('backward') &&
          chunkOf(rankClass, step) === chunk,
      );
      return backward < 0 || backward > index ? null : moved(schedule, index, backward);
    },
  ),
  drop_lead_in: onSteps(
    (_, step) => isLeadIn(step),
    (_, schedule, index) => schedule.filter((_, i) => i !== index),
  ),
  /** It gathers what another slot reads, where that lies. */
  lead_in_of_another_slot: onSteps(
    (_, step) => isLeadIn(step),
    (_, schedule, index, random) => {
      const { template, microbatch } = schedule[index];
      const others = schedule.filter(
        (step) => isLeadIn(step) && (step.template !== template || step.microbatch !== microbatch),
      );
      if (others.length === 0) return null;
      const other = random.pick(others);
      // Half of the time the other one's text alone, for this microbatch.
      const changed = random.chance(0.5)
        ? other
        : { ...other, microbatch, offsets: { ...other.offsets, ...schedule[index].offsets } };
      return schedule.map((step, i) => (i === index ? changed : step));
    },
  ),
  lead_in_behind_its_slot: onSteps(
    (_, step) => isLeadIn(step),
    (rankClass, schedule, index) => {
      const made = gatheredBy(rankClass, schedule[index]);
      const reader = schedule.findIndex(
        ({ template, microbatch }, i) =>
          i > index &&
          microbatch === schedule[index].microbatch &&
          bodyOf(rankClass, { template }).some((x) =>
            reads(x).some((value) => made.has(baseOf(rankClass.values, value))),
          ),
      );
      return reader < 0 ? null : moved(schedule, index, reader);
    },
  ),
  /** Under the slot before the one under which it runs, or an earlier one: what lies there is still read. */
  lead_in_too_early: onSteps(
    (_, step) => isLeadIn(step),
    (_, schedule, index, random) => (index === 0 ? null : moved(schedule, index, random.int(index))),
  ),
  /** A stale weight: what the last step gathered is there still, and was gathered before that step's update. */
  lead_in_of_the_last_step: (program, random) => {
    const sites = program.classes.flatMap(({ schedule }, c) => {
      const index = schedule.findIndex(isLeadIn);
      return index < 0 ? [] : [{ c, index }];
    });
    if (sites.length === 0) return null;
    const { c, index } = random.pick(sites);
    const changed = editClass(program, c, (rankClass) => {
      const { values, schedule, before, after } = rankClass;
      const made = gatheredBy(rankClass, schedule[index]);
      const kept = { values: [...made].map((at) => ({ at, holds: at })) };
      return {
        ...rankClass,
        values: values.map((value, i) => (made.has(baseOf(values, i)) ? { ...value, lifetime: 'persistent' } : value)),
        schedule: schedule.filter((_, i) => i !== index),
        before: { values: [...before.values, ...kept.values] },
        after: { values: [...after.values, ...kept.values] },
      };
    });
    return { program: changed, aims: [] };
  },
};

const direction = (template: string): string => template.split('.')[0];

/** Applies a change to a random one of the steps that fit, in any class. */
function onSteps(
  fits: (rankClass: RankClass, step: ScheduleStep) => boolean,
  change: (
    rankClass: RankClass,
    schedule: readonly ScheduleStep[],
    index: number,
    random: Random,
  ) => readonly ScheduleStep[] | null,
): Mutation {
  return (program, random) => {
    const sites = program.classes.flatMap((rankClass, c) =>
      rankClass.schedule.flatMap((step, index) => (fits(rankClass, step) ? [{ c, index }] : [])),
    );
    if (sites.length === 0) return null;
    const { c, index } = random.pick(sites);
    const changed = change(program.classes[c], program.classes[c].schedule, index, random);
    return changed && { program: editSchedule(program, c, () => changed), aims: [] };
  };
}

const isLeadIn = ({ template }: ScheduleStep): boolean => template.startsWith('lead-in');

/** The buffers that a lead-in's collectives fill. */
const gatheredBy = (rankClass: RankClass, step: ScheduleStep): ReadonlySet<ValueIndex> =>
  new Set(
    bodyOf(rankClass, step)
      .filter(({ kind }) => kind === 'collective')
      .flatMap((x) => writes(x).map((value) => baseOf(rankClass.values, value))),
  );

const bodyOf = ({ templates }: RankClass, { template }: Pick<ScheduleStep, 'template'>) =>
  instructionsOf(templates.find(({ name }) => name === template)!);

const chunkOf = ({ templates }: RankClass, { template }: ScheduleStep): number =>
  templates.find(({ name }) => name === template)!.chunk;

/** A step that does nothing but ask for a value. */
function isReceive(rankClass: RankClass, step: ScheduleStep): boolean {
  const body = bodyOf(rankClass, step);
  return body.some(({ kind }) => kind === 'receive') && body.every(({ kind }) => kind !== 'kernel');
}

/** Whether a step takes in what another has asked for. */
function takes(rankClass: RankClass, step: ScheduleStep, receive: ScheduleStep): boolean {
  const received = bodyOf(rankClass, receive).flatMap((x) => (x.kind === 'receive' ? [x.operand.value] : []));
  return bodyOf(rankClass, step).some((x) => x.kind === 'unpack_tile' && received.includes(x.input.value));
}

/** The step at `from` goes to where the one at `to` is, which comes before it if it was behind it, and behind it else. */
function moved(schedule: readonly ScheduleStep[], from: number, to: number): readonly ScheduleStep[] {
  const rest = schedule.filter((_, i) => i !== from);
  return [...rest.slice(0, to), schedule[from], ...rest.slice(to)];
}
