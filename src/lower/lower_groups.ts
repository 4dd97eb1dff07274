/** Placed graphs → the program of all ranks: each group's classes of equal ranks, lowered one by one. */
import type { OpRegistry } from '../ir/op.js';
import type { Plan } from '../plan/plan.js';
import type { ScheduleTable } from '../schedule/slot.js';
import type { KernelChooser } from '../kernels/chooser.js';
import type { AssignMemoryOptions } from '../memory/assign_memory.js';
import { printMemory } from '../memory/print_memory.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import type { PassObserver } from '../passes/pass_names.js';
import { printProgram } from '../program/print.js';
import type { Program } from '../program/program.js';
import { unfold } from '../program/unroll.js';
import { classRequests, groupsOf } from './class_requests.js';
import { lowerClass, type LoweredClass } from './lower_class.js';

export interface LowerRequest {
  readonly plan: Plan;
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** How long memory planning may search, where the default is too long. */
  readonly memory?: AssignMemoryOptions;
  readonly observe?: PassObserver;
}

export type LoweredProgram = Program & { readonly classes: readonly LoweredClass[] };

export function lowerGroups(request: LowerRequest, placed: PlacedGraphs, table: ScheduleTable): LoweredProgram {
  const { plan, observe } = request;
  const classes = classRequests(request, placed, table).map(lowerClass);
  const program = { classes, groups: groupsOf(plan), microbatches: plan.schedule.microbatches };
  observe?.('lower', () => printProgram(unfold(program)));
  observe?.('assign_memory', () => printMemory(program));
  observe?.('fold', () => printProgram(program));
  return program;
}
