/** The schedule of a plan against its chunks and groups. */
import { DiagnosticError } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import { checkSchedule } from '../schedule/check.js';
import { defaultVirtualStages, requireShape, scheduleKind } from '../schedule/kinds.js';
import { groupOfChunk } from '../schedule/placement.js';
import { pipelineOfOneGroup, planContradiction } from './diagnostics.js';
import { groupOfChunks, type Plan } from './plan.js';
import { shapeOf, tableOf, writtenSchedule } from './plan_schedule.js';

/** The fields that ask for a schedule: for one that can be generated, for one that is written out, for so many chunks on a group. */
export interface ScheduleFields {
  readonly generated: string;
  readonly written: string;
  readonly chunks: string;
}

const inPlan: ScheduleFields = { generated: 'schedule', written: 'schedule.table', chunks: 'schedule.kind' };

/** Throws `plan/contradiction` with what is wrong with the schedule. `file`, `fields`: for messages. */
export function checkScheduleOf(plan: Plan, file: string, fields: ScheduleFields = inPlan): void {
  const { kind, microbatches, table } = plan.schedule;
  const contradiction = (field: string, problem: string, fix: string) =>
    planContradiction({ file, field, problem, fix });
  if (kind !== writtenSchedule && table !== null) {
    const fix = `set schedule.kind to "${writtenSchedule}", or schedule.table to null`;
    throw contradiction('schedule.table', `the plan writes a schedule out, and asks for ${kind}`, fix);
  }
  if (kind === writtenSchedule && table === null) {
    const fix = 'write the slots of each group, such as ["0F0 0B0"], or name a schedule';
    throw contradiction('schedule.table', 'the plan has no table of its schedule', fix);
  }
  if (kind !== writtenSchedule) checkPlacement(plan, file, fields);
  try {
    // A generated table is right wherever its shape is.
    if (kind !== writtenSchedule) requireShape(kind, shapeOf(plan));
    else {
      const groupOf = groupOfChunks(plan);
      const groups = Object.keys(plan.groups).length;
      const of = { groups, chunks: plan.chunks.length, microbatches, groupOf: (chunk: number) => groupOf[chunk] };
      const [fault] = checkSchedule(tableOf(plan), of);
      if (fault) throw fault;
    }
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    const { what, why, where, fix = 'name a schedule that can be generated' } = error.diagnostic;
    const field = kind === writtenSchedule ? fields.written : fields.generated;
    throw planContradiction({ file, field, problem: what, why, fix, places: where });
  }
}

/** Throws `plan/contradiction` where a schedule weaves chunks, or parts of a backward, into waits that one group does not have. */
export function requireGroups(
  kind: string,
  chunks: number,
  place: { readonly file: string; readonly field: string; readonly fix: string },
): void {
  if (chunks > 1 || scheduleKind(kind).splitsBackward) throw pipelineOfOneGroup({ ...place, kind, chunks });
}

/** A schedule that is generated has so many chunks a group, on the groups that it says. */
function checkPlacement({ schedule: { kind }, groups, chunks }: Plan, file: string, fields: ScheduleFields): void {
  const names = Object.keys(groups);
  const schedule = scheduleKind(kind);
  const each = chunks.length / names.length;
  const takes = schedule.virtualStages;
  if (!('exactly' in takes ? each === takes.exactly : Number.isInteger(each) && each >= takes.least)) {
    const many = 'exactly' in takes ? takes.exactly : `${takes.least} or more`;
    throw planContradiction({
      file,
      field: fields.chunks,
      problem: `the plan has ${counted(chunks.length, 'chunk')} on ${counted(names.length, 'group')}`,
      why: `${kind} has ${many} on each`,
      fix:
        fields.chunks === inPlan.chunks
          ? `cut the model in ${counted(names.length * defaultVirtualStages(schedule), 'chunk')}, or name another schedule`
          : `set virtual_stages to ${defaultVirtualStages(schedule)}, or name another schedule`,
    });
  }
  chunks.forEach(({ on }, chunk) => {
    const wanted = names[groupOfChunk(schedule.placement, names.length, chunk)];
    if (on === wanted) return;
    throw planContradiction({
      file,
      field: `chunks.${chunk}.on`,
      problem: `chunk ${chunk} is on the group '${on}', and ${kind} has it on '${wanted}'`,
      fix: `write '${wanted}', or write the schedule out as a table`,
    });
  });
}
