/** The schedule of a plan against its chunks and groups. */
import { counted } from '../ir/units.js';
import { checkSchedule } from '../schedule/check.js';
import { readRows, type ScheduleFile } from '../schedule/file.js';
import { defaultVirtualStages, scheduleKind } from '../schedule/kinds.js';
import { groupOfChunk } from '../schedule/placement.js';
import { sourceOfTable } from '../schedule/source.js';
import { pipelineOfOneGroup, planContradiction, tooFewMicrobatches } from './diagnostics.js';
import { groupOfChunks, type Plan } from './plan.js';
import { shapeOf, writtenSchedule } from './plan_schedule.js';

/** Where a schedule is asked for, and how to have what it takes. */
export interface ScheduleFields {
  /** The field that says how many chunks a group has. */
  readonly chunks: string;
  /** Where it follows how many microbatches a step has, and how to have so many that each group has work at once. */
  readonly microbatches: (least: number) => { readonly fields: readonly string[]; readonly fix: string };
}

const inPlan: ScheduleFields = {
  chunks: 'schedule.kind',
  microbatches: (least) => ({
    fields: ['schedule.microbatches'],
    fix: `set it to ${least} or more, or name another schedule, or plan fewer groups`,
  }),
};

/**
 * Throws `plan/contradiction` where the plan asks for a schedule that it cannot have, and `schedule/…` with what is wrong with one that is
 * written out. `file`, `fields`: for messages; `written`: the file that the table was read from, where that is not the plan's.
 */
export function checkScheduleOf(
  plan: Plan,
  file: string,
  fields: ScheduleFields = inPlan,
  written: ScheduleFile | null = null,
): void {
  const { kind, table } = plan.schedule;
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
  if (table !== null) return checkWritten(plan, written ?? tableIn(table, `${file}, schedule.table`));
  checkPlacement(plan, file, fields);
  const { groups, microbatches } = shapeOf(plan);
  const least = scheduleKind(kind).leastMicrobatches(groups);
  if (microbatches < least)
    throw tooFewMicrobatches({ file, kind, groups, microbatches, least, ...fields.microbatches(least) });
}

/** Throws `schedule/…` with the first fault. */
function checkWritten(plan: Plan, { table, source }: Pick<ScheduleFile, 'table' | 'source'>): void {
  const groupOf = groupOfChunks(plan);
  const of = {
    groups: Object.keys(plan.groups).length,
    chunks: plan.chunks.length,
    microbatches: plan.schedule.microbatches,
    groupOf: (chunk: number) => groupOf[chunk],
  };
  const [fault] = checkSchedule(table, of, source);
  if (fault) throw fault;
}

function tableIn(rows: readonly string[], file: string): Pick<ScheduleFile, 'table' | 'source'> {
  const table = readRows(rows, file);
  return { table, source: sourceOfTable(table, file) };
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
