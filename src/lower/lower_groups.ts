/** Placed graphs → the program of all ranks: each group's classes of equal ranks, lowered one by one. */
import { meshRanks, type Coordinates } from '../ir/mesh.js';
import type { OpRegistry } from '../ir/op.js';
import { groupOfChunks, meshesOf, type Plan } from '../plan/plan.js';
import type { ScheduleTable } from '../schedule/slot.js';
import { segmentChunks } from '../partition/placement.js';
import { plannedReceives } from './receives.js';
import { slotSection, type Listed } from './sections.js';
import { kindText, slotsOfSteps, type SlotKind } from './slot_kinds.js';
import { slotOrder } from './slot_order.js';
import { exchangesOf, exchangeSizes, rankClasses } from './classes.js';
import { edgesOf, messageSizes } from '../program/edges.js';
import type { KernelChooser } from '../kernels/chooser.js';
import { lowerClass, type LoweredClass } from './lower_class.js';
import type { AssignMemoryOptions } from '../memory/assign_memory.js';
import type { PassObserver } from '../passes/pass_names.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import { scopeOf } from '../partition/placed.js';
import { printMemory } from '../memory/print_memory.js';
import { printProgram } from '../program/print.js';
import { printSections } from './print_sections.js';
import type { Program, Group } from '../program/program.js';
import { unfold } from '../program/unroll.js';

export interface LowerRequest {
  readonly plan: Plan;
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** How long memory planning may search, where the default is too long. */
  readonly memory?: AssignMemoryOptions;
  readonly observe?: PassObserver;
}

export type LoweredProgram = Program & { readonly classes: readonly LoweredClass[] };

export function lowerGroups(
  { plan, registry, kernels, memory, observe }: LowerRequest,
  { step, update, buckets }: PlacedGraphs,
  table: ScheduleTable,
): LoweredProgram {
  const groups = groupsOf(plan);
  const stepSlots = slotsOfSteps(step, { chunkOf: segmentChunks(plan), groupOf: groupOfChunks(plan) });
  const section = remembered((group: number, slot: SlotKind, first: boolean) =>
    slotSection(step, stepSlots, group, slot, first),
  );
  const orders = table.map((entries, group) => slotOrder(entries, (slot, first) => section(group, slot, first)));
  const receives = plannedReceives(
    stepSlots.passages,
    table,
    orders,
    (group, { slot, first }) => section(group, slot, first),
    ({ transfer }) => scopeOf(step, transfer) === 'step',
  );
  observe?.('hoist', () => printSections(step, update, stepSlots, orders));
  const graphs = update ? [step, update] : [step];
  const edges = graphs.flatMap(edgesOf);
  const classes = groups.flatMap(({ mesh }, group) => {
    const values = graphs.flatMap((graph) => graph.values.filter((value) => value.group === group));
    const exchanges = exchangesOf(graphs, group);
    const messages = messageSizes(groups, edges, group);
    const sizes = (at: Coordinates) => `${messages(at)} ${exchangeSizes(mesh, exchanges, at)}`;
    return rankClasses(mesh, values, sizes).map((members, i) =>
      lowerClass({
        name: `group ${group}${i > 0 ? `, class ${i}` : ''}`,
        group,
        members,
        groups,
        step,
        update,
        buckets: buckets.filter((bucket) => bucket.group === group),
        order: orders[group],
        stepSlots,
        receives: receives[group],
        registry,
        kernels,
        memory,
      }),
    );
  });
  const program = { classes, groups, microbatches: plan.schedule.microbatches };
  observe?.('lower', () => printProgram(unfold(program)));
  observe?.('assign_memory', () => printMemory(program));
  observe?.('fold', () => printProgram(program));
  return program;
}

type Section = (group: number, slot: SlotKind, first: boolean) => readonly Listed[];

/** Every microbatch asks for the sections of its slots. */
function remembered(section: Section): Section {
  const known = new Map<string, readonly Listed[]>();
  return (group, slot, first) => {
    const key = `${group} ${kindText(slot)} ${first}`;
    const found = known.get(key) ?? section(group, slot, first);
    known.set(key, found);
    return found;
  };
}

function groupsOf(plan: Plan): readonly Group[] {
  let firstRank = 0;
  return meshesOf(plan).map((mesh) => {
    const made = { mesh, firstRank };
    firstRank += meshRanks(mesh);
    return made;
  });
}
