/**
 * Wrong schedules: slots exchanged, left out, run twice, for another microbatch, by another template; what is received asked for in another
 * order, or too late; gradients of weights before what they are made of.
 */
import type { RankClass, ScheduleStep } from '../../../src/program/program.js';
import { instructionsOf } from '../../../src/program/unroll.js';
import { editSchedule } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
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
};

const direction = (template: string): string => template.split('.')[0];

/** Applies a change to a random one of the steps that fit, in any class. */
function onSteps(
  fits: (rankClass: RankClass, step: ScheduleStep) => boolean,
  change: (rankClass: RankClass, schedule: readonly ScheduleStep[], index: number) => readonly ScheduleStep[] | null,
): Mutation {
  return (program, random) => {
    const sites = program.classes.flatMap((rankClass, c) =>
      rankClass.schedule.flatMap((step, index) => (fits(rankClass, step) ? [{ c, index }] : [])),
    );
    if (sites.length === 0) return null;
    const { c, index } = random.pick(sites);
    const changed = change(program.classes[c], program.classes[c].schedule, index);
    return changed && { program: editSchedule(program, c, () => changed), aims: [] };
  };
}

const bodyOf = ({ templates }: RankClass, { template }: ScheduleStep) =>
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
