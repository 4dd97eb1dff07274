/** Classes, of all groups or one alone → the program that they make, lowered one by one. */
import type { Plan } from '../plan/plan.js';
import { printMemory } from '../memory/print_memory.js';
import type { PassObserver } from '../passes/pass_names.js';
import { printProgram } from '../program/print.js';
import type { Program } from '../program/program.js';
import { unfold } from '../program/unroll.js';
import type { ClassRequest } from './class_request.js';
import { groupsOf } from './class_requests.js';
import { lowerClass, type LoweredClass } from './lower_class.js';

export type LoweredProgram = Program & { readonly classes: readonly LoweredClass[] };

export function lowerGroups(
  { plan, observe }: { readonly plan: Plan; readonly observe?: PassObserver },
  requests: readonly ClassRequest[],
): LoweredProgram {
  const classes = requests.map(lowerClass);
  const program = { classes, groups: groupsOf(plan), microbatches: plan.schedule.microbatches };
  observe?.('lower', () => printProgram(unfold(program)));
  observe?.('assign_memory', () => printMemory(program));
  observe?.('fold', () => printProgram(program));
  return program;
}
