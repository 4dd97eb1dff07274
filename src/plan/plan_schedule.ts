/** The schedule of a plan as a table. */
import type { ScheduleShape } from '../schedule/kind.js';
import { generateSchedule, scheduleKinds } from '../schedule/kinds.js';
import { readRows } from '../schedule/file.js';
import { entryName, type ScheduleTable } from '../schedule/slot.js';
import type { Plan } from './plan.js';

/** The kind of a schedule that the plan itself writes out. */
export const writtenSchedule = 'table';

/** What `schedule.kind` may be. */
export const scheduleNames: readonly string[] = [...scheduleKinds.keys(), writtenSchedule];

/** A table as plans write it: the slots of each group. */
export const rowsOf = (table: ScheduleTable): readonly string[] =>
  table.map((entries) => entries.map(entryName).join(' '));

/** Throws what `schedule/kinds.ts` and `schedule/file.ts` do, where the plan is none that `checkPlan` has passed. */
export function tableOf(plan: Pick<Plan, 'schedule' | 'groups' | 'chunks'>): ScheduleTable {
  const { kind, table } = plan.schedule;
  return kind === writtenSchedule ? readRows(table ?? [], 'the plan') : generateSchedule(kind, shapeOf(plan));
}

/** What the schedule of a plan is generated for. */
export function shapeOf({ schedule, groups, chunks }: Pick<Plan, 'schedule' | 'groups' | 'chunks'>): ScheduleShape {
  const count = Object.keys(groups).length;
  return { groups: count, virtualStages: chunks.length / count, microbatches: schedule.microbatches };
}
