/** Placed graphs → what the lowering of each class of equal ranks is given, in order of groups. */
import type { OpRegistry } from '../ir/op.js';
import { meshRanks, type Coordinates } from '../ir/mesh.js';
import type { KernelChooser } from '../kernels/chooser.js';
import type { AssignMemoryOptions } from '../memory/assign_memory.js';
import type { PassObserver } from '../passes/pass_names.js';
import { gatheringOf, groupOfChunks, meshesOf, type Plan } from '../plan/plan.js';
import type { ScheduleTable } from '../schedule/slot.js';
import { scopeOf } from '../partition/placed.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import { segmentChunks } from '../partition/placement.js';
import { edgesOf, messageSizes } from '../program/edges.js';
import type { Group } from '../program/program.js';
import type { ClassRequest } from './class_request.js';
import { exchangesOf, exchangeSizes, rankClasses } from './classes.js';
import { gathersOf, withLeadIns, type SlotSection } from './lead_ins.js';
import { printSections } from './print_sections.js';
import { plannedReceives } from './receives.js';
import { slotSection, type StepSections } from './sections.js';
import { kindText, slotsOfSteps, type SlotKind } from './slot_kinds.js';
import { slotOrder } from './slot_order.js';

export interface LowerRequest {
  readonly plan: Plan;
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** How long memory planning may search, where the default is too long. */
  readonly memory?: AssignMemoryOptions;
  readonly observe?: PassObserver;
}

export function classRequests(
  { plan, registry, kernels, memory, observe }: LowerRequest,
  { step, update, buckets }: PlacedGraphs,
  table: ScheduleTable,
): readonly ClassRequest[] {
  const groups = groupsOf(plan);
  const stepSlots = slotsOfSteps(step, { chunkOf: segmentChunks(plan), groupOf: groupOfChunks(plan) });
  const { stage } = plan.zero;
  const prefetch = stage === 3 ? gatheringOf(plan.zero).prefetch : 0;
  const sections: StepSections = { graph: step, slots: stepSlots, gathers: gathersOf(step), prefetch };
  const section = remembered((group, slot, first) => slotSection(sections, group, slot, first));
  const orders = table.map((entries, group) => slotOrder(entries, (slot, first) => section(group, slot, first)));
  const receives = plannedReceives(
    stepSlots.passages,
    table,
    orders,
    (group, { slot, first }) => section(group, slot, first).body,
    ({ transfer }) => scopeOf(step, transfer) === 'step',
  );
  observe?.('hoist', () => printSections(step, update, section, orders));
  const graphs = update ? [step, update] : [step];
  const edges = graphs.flatMap(edgesOf);
  return groups.flatMap(({ mesh }, group) => {
    const values = graphs.flatMap((graph) => graph.values.filter((value) => value.group === group));
    const exchanges = exchangesOf(graphs, group);
    const messages = messageSizes(groups, edges, group);
    const own = (slot: SlotKind, first: boolean) => section(group, slot, first);
    const order = withLeadIns(orders[group], own, prefetch);
    const sizes = (at: Coordinates) => `${messages(at)} ${exchangeSizes(mesh, exchanges, at)}`;
    return rankClasses(mesh, values, sizes).map((members, i): ClassRequest => ({
      name: `group ${group}${i > 0 ? `, class ${i}` : ''}`,
      group,
      members,
      groups,
      step,
      update,
      buckets: buckets.filter((bucket) => bucket.group === group),
      order,
      section: own,
      stepSlots,
      receives: receives[group],
      registry,
      kernels,
      memory,
    }));
  });
}

type Section = (group: number, slot: SlotKind, first: boolean) => SlotSection;

/** Every microbatch asks for the sections of its slots. */
function remembered(section: Section): Section {
  const known = new Map<string, SlotSection>();
  return (group, slot, first) => {
    const key = `${group} ${kindText(slot)} ${first}`;
    const found = known.get(key) ?? section(group, slot, first);
    known.set(key, found);
    return found;
  };
}

export function groupsOf(plan: Plan): readonly Group[] {
  let firstRank = 0;
  return meshesOf(plan).map((mesh) => {
    const made = { mesh, firstRank };
    firstRank += meshRanks(mesh);
    return made;
  });
}
