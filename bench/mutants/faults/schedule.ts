/** Wrong schedules: slots exchanged, left out, run twice, for another microbatch, by another template. */
import { editSchedule } from '../edit.js';
import type { Mutations } from '../mutant.js';
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
};

const direction = (template: string): string => template.split('.')[0];
