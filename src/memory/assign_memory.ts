/**
 * Addresses: every buffer instance of a class's step gets its place in one arena. Persistent values come first, at addresses that do
 * not depend on the schedule; the rest is planned from lifetimes under happens-before (`memory/`). Where there are very many, instances
 * of one value share addresses before that.
 */
import { bytesOf } from '../ir/type.js';
import { clockLaunches } from '../program/clocks.js';
import {
  alignUp,
  DEFAULT_ALIGNMENT,
  lifetimeProblem,
  mayFollow,
  planMemory,
  type PlanMemoryOptions,
  type LifetimeBuffer,
  type MemoryPlan,
} from './index.js';
import type { ProgramValue, RankClass, ScheduleStep, Template, ValueIndex } from '../program/program.js';
import { baseOf } from '../program/place.js';
import { operandsOf } from '../program/kinds.js';
import { instanceKey, instructionsOf } from '../program/unroll.js';

export interface AssignedMemory {
  readonly schedule: readonly ScheduleStep[];
  readonly arenaBytes: number;
  /** The largest sum of bytes live under happens-before, persistent values included. */
  readonly liveBytes: number;
}

export interface KeptValues {
  /** Values whose bytes the host reads after the step. */
  readonly results: ReadonlySet<ValueIndex>;
  /** Persistent values that hold state: they have addresses even where no instruction touches them. */
  readonly state: readonly ValueIndex[];
}

export const keptValues = ({ results, before }: Pick<RankClass, 'results' | 'before'>): KeptValues => ({
  results: new Set(Object.values(results)),
  state: before.values.map(({ at }) => at),
});

/** A schedule whose steps have no addresses yet. */
export type UnplacedStep = Omit<ScheduleStep, 'offsets'>;

export function assignMemory(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  { results, state }: KeptValues,
  options?: PlanMemoryOptions,
): AssignedMemory {
  const fixed = persistentOffsets(values);
  const instances = collectTenancies(values, templates, schedule, results);
  const slots = instances.size > mostInstances ? sharedSlots(instances) : [...instances.keys()].map((key) => [key]);
  const buffers = slots.map((keys): LifetimeBuffer => {
    const tenancies = keys.map((key) => instances.get(key)!);
    const [{ base }] = tenancies;
    return { id: `${values[base].name} (${keys[0]})`, bytes: bytesOf(values[base].type), tenancies };
  });
  const plan: MemoryPlan | null =
    buffers.length > 0 ? planMemory(lifetimeProblem(buffers), options ?? searchLimit(instances.size)) : null;
  const offsetOf = new Map(slots.flatMap((keys, i) => keys.map((key) => [key, fixed.bytes + plan!.offsets[i]])));
  const placed = schedule.map((step) => ({
    ...step,
    offsets: offsetsOfStep(values, templates, step, fixed.offsets, offsetOf),
  }));
  const bases = state.map((value) => baseOf(values, value));
  const untouched = bases.filter((base) => placed.every(({ offsets }) => offsets[base] === undefined));
  const kept = Object.fromEntries(untouched.map((base) => [base, fixed.offsets.get(base)!]));
  return {
    schedule: placed.map((step, i) => (i === 0 ? { ...step, offsets: { ...step.offsets, ...kept } } : step)),
    arenaBytes: fixed.bytes + (plan?.peakBytes ?? 0),
    liveBytes: fixed.bytes + (plan?.boundBytes ?? 0),
  };
}

/** About a second or two of search a class: a node costs nearly a microsecond an instance (30 s for 200,000 nodes on 200 of them). */
const searchLimit = (instances: number) => ({
  searchNodes: instances > mostInstances ? 0 : Math.ceil(2e6 / instances),
});

/**
 * Up to so many, each instance gets an address of its own. Of more, those of one value share as few as they can, at 0.2% more memory for
 * GPT-3's groups and 4% for groups of one layer.
 */
const mostInstances = 8000;

/** The instances of each value in slots: one takes the slot of an earlier one that is surely over when it begins. */
function sharedSlots(instances: ReadonlyMap<string, OpenTenancy>): readonly (readonly string[])[] {
  const slotsOf = new Map<ValueIndex, { readonly keys: string[]; last: OpenTenancy }[]>();
  for (const [key, instance] of instances) {
    const slots = slotsOf.get(instance.base) ?? [];
    const free = slots.find(({ last }) => mayFollow(last, instance));
    if (free) {
      free.keys.push(key);
      free.last = instance;
    } else slots.push({ keys: [key], last: instance });
    slotsOf.set(instance.base, slots);
  }
  return [...slotsOf.values()].flat().map(({ keys }) => keys);
}

function persistentOffsets(values: readonly ProgramValue[]): {
  offsets: ReadonlyMap<ValueIndex, number>;
  bytes: number;
} {
  const offsets = new Map<ValueIndex, number>();
  let bytes = 0;
  values.forEach((value, index) => {
    if (value.lifetime !== 'persistent' || value.view) return;
    offsets.set(index, bytes);
    bytes = alignUp(bytes + bytesOf(value.type), DEFAULT_ALIGNMENT);
  });
  return { offsets, bytes };
}

interface OpenTenancy {
  readonly base: ValueIndex;
  readonly acquire: readonly number[];
  readonly release: number[];
  readonly launch: number;
}

/**
 * The stay of every instance. What another lane touches stays until compute has waited for it: in lane order alone the next exchange could
 * take its place, and a host that is the lane itself would wait for the one before it could begin the next, and go on computing.
 */
function collectTenancies(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  results: ReadonlySet<ValueIndex>,
): ReadonlyMap<string, OpenTenancy> {
  const placed = schedule.map((step) => ({ ...step, offsets: {} }));
  const { lanes, launches } = clockLaunches({ templates, schedule: placed });
  const open = new Map<string, OpenTenancy>();
  const compute = lanes.indexOf('compute');
  /** By lane, in its order: what compute has not waited for, from `waited` on. */
  const busy = lanes.map(() => ({
    stays: [] as { readonly tenancy: OpenTenancy; readonly number: number }[],
    waited: 0,
  }));
  for (const { instruction, step, lane, number, begins, index } of launches) {
    if (lane === compute)
      busy.forEach((queue, other) => {
        for (; begins[other] >= queue.stays[queue.waited]?.number; queue.waited++) {
          const { release } = queue.stays[queue.waited].tenancy;
          release[compute] = Math.max(release[compute], number);
        }
      });
    for (const { value } of operandsOf(instruction)) {
      const base = baseOf(values, value);
      if (values[base].lifetime === 'persistent') continue;
      const key = instanceKey(values, base, step.microbatch);
      let tenancy = open.get(key);
      if (!tenancy) {
        // Data is there from the start: the host wrote it before the step.
        const given = values[base].lifetime === 'data';
        const acquire = given ? lanes.map(() => 0) : begins;
        tenancy = { base, acquire, release: lanes.map(() => 0), launch: given ? 0 : index };
        open.set(key, tenancy);
      }
      tenancy.release[lane] = results.has(base) ? Infinity : Math.max(tenancy.release[lane], number);
      if (lane !== compute) busy[lane].stays.push({ tenancy, number });
    }
  }
  return open;
}

function offsetsOfStep(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  step: UnplacedStep,
  fixed: ReadonlyMap<ValueIndex, number>,
  offsetOf: ReadonlyMap<string, number>,
): Record<ValueIndex, number> {
  const offsets: Record<ValueIndex, number> = {};
  for (const instruction of instructionsOf(templates.find((template) => template.name === step.template)!)) {
    for (const { value } of operandsOf(instruction)) {
      const base = baseOf(values, value);
      offsets[base] = fixed.get(base) ?? offsetOf.get(instanceKey(values, base, step.microbatch))!;
    }
  }
  return offsets;
}
