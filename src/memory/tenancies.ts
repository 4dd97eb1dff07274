/** Which instances of buffers a class's step has, and when each is there. */
import { baseOf } from '../program/place.js';
import type { ProgramValue, Template, ValueIndex } from '../program/program.js';
import { clockLaunches } from '../program/clocks.js';
import { operandsOf } from '../program/kinds.js';
import { instanceKey } from '../program/unroll.js';
import { mayFollow } from './lifetimes.js';
import type { UnplacedStep } from './assign_memory.js';

/** The stay of one instance of a buffer: of one microbatch, or the only one of the step. */
export interface OpenTenancy {
  readonly base: ValueIndex;
  readonly microbatch: number;
  readonly acquire: readonly number[];
  readonly release: number[];
  readonly launch: number;
}

/**
 * The stay of every instance. What another lane touches stays until compute has waited for it: in lane order alone the next exchange could
 * take its place, and a host that is the lane itself would wait for the one before it could begin the next, and go on computing.
 */
export function collectTenancies(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  results: ReadonlySet<ValueIndex>,
): readonly OpenTenancy[] {
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
      const { microbatch } = step;
      const key = instanceKey(values, base, microbatch);
      let tenancy = open.get(key);
      if (!tenancy) {
        // Data is there from the start: the host wrote it before the step.
        const given = values[base].lifetime === 'data';
        const acquire = given ? lanes.map(() => 0) : begins;
        tenancy = { base, microbatch, acquire, release: lanes.map(() => 0), launch: given ? 0 : index };
        open.set(key, tenancy);
      }
      tenancy.release[lane] = results.has(base) ? Infinity : Math.max(tenancy.release[lane], number);
      if (lane !== compute) busy[lane].stays.push({ tenancy, number });
    }
  }
  return [...open.values()];
}

/** A buffer, and the instances that lie in it one after the other. */
export interface SharedBuffer {
  readonly base: ValueIndex;
  readonly tenancies: readonly OpenTenancy[];
}

/** Each instance by itself; of very many, one takes the slot of an earlier one that is surely over when it begins. */
export function sharedBuffersOf(instances: readonly OpenTenancy[], most: number): readonly SharedBuffer[] {
  if (instances.length > most) return sharedSlots(instances);
  return instances.map((instance) => ({ base: instance.base, tenancies: [instance] }));
}

/**
 * Up to so many, each instance gets an address of its own. Of more, those of one value share as few as they can, at 0.2% more memory for
 * GPT-3's groups and 4% for groups of one layer.
 */
export const mostInstances = 8000;

/** The instances of each value in slots: one takes the slot of an earlier one that is surely over when it begins. */
function sharedSlots(instances: readonly OpenTenancy[]): readonly SharedBuffer[] {
  const slotsOf = new Map<ValueIndex, { readonly base: ValueIndex; readonly tenancies: OpenTenancy[] }[]>();
  for (const instance of instances) {
    const { base } = instance;
    const slots = slotsOf.get(base) ?? [];
    const free = slots.find(({ tenancies }) => mayFollow(tenancies[tenancies.length - 1], instance));
    if (free) free.tenancies.push(instance);
    else slots.push({ base, tenancies: [instance] });
    slotsOf.set(base, slots);
  }
  return [...slotsOf.values()].flat();
}
