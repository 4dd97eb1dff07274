/** Which instances of buffers a class's step has, and when each is there. */
import { baseOf } from '../program/place.js';
import type { Instruction, ProgramValue, Template, ValueIndex } from '../program/program.js';
import { LaneClocks } from '../program/clocks.js';
import { operandsOf } from '../program/kinds.js';
import { isPerMicrobatch } from '../program/unroll.js';
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
  const clocks = new LaneClocks({ templates, schedule });
  const { lanes } = clocks;
  /** By buffer, and by microbatch where each has an instance. */
  const byBase = new Map<ValueIndex, OpenTenancy[]>();
  const opened: OpenTenancy[] = [];
  const never: readonly number[] = lanes.map(() => 0);
  const compute = lanes.indexOf('compute');
  /** By lane, in its order: what compute has not waited for, from `waited` on. */
  const busy = lanes.map(() => ({
    stays: [] as { readonly tenancy: OpenTenancy; readonly number: number }[],
    waited: 0,
  }));
  const instancesOf = (base: ValueIndex): OpenTenancy[] => {
    const known = byBase.get(base) ?? [];
    byBase.set(base, known);
    return known;
  };
  /** What an instruction touches that is not there for the whole step; read once for all its launches. */
  const touched = new Map<Instruction, readonly Touched[]>();
  const touchesOf = (instruction: Instruction): readonly Touched[] => {
    let touches = touched.get(instruction);
    if (!touches) {
      const bases = operandsOf(instruction).map(({ value }) => baseOf(values, value));
      touches = bases
        .filter((base) => values[base].lifetime !== 'persistent')
        .map((base) => ({
          base,
          instances: instancesOf(base),
          perMicrobatch: isPerMicrobatch(values, base),
          isData: values[base].lifetime === 'data',
          isResult: results.has(base),
        }));
      touched.set(instruction, touches);
    }
    return touches;
  };
  clocks.walk(({ instruction, step: { microbatch }, lane, number, begins, index }) => {
    if (lane === compute)
      for (let other = 0; other < lanes.length; other++) {
        const queue = busy[other];
        for (; begins[other] >= queue.stays[queue.waited]?.number; queue.waited++) {
          const { release } = queue.stays[queue.waited].tenancy;
          release[compute] = Math.max(release[compute], number);
        }
      }
    for (const { base, perMicrobatch, isData, isResult, instances } of touchesOf(instruction)) {
      let tenancy = instances[perMicrobatch ? microbatch : 0];
      if (!tenancy) {
        // Data is there from the start: the host wrote it before the step.
        const acquire = isData ? never : begins.slice();
        tenancy = { base, microbatch, acquire, release: never.slice(), launch: isData ? 0 : index };
        instances[perMicrobatch ? microbatch : 0] = tenancy;
        opened.push(tenancy);
      }
      tenancy.release[lane] = isResult ? Infinity : Math.max(tenancy.release[lane], number);
      if (lane !== compute) busy[lane].stays.push({ tenancy, number });
    }
  });
  return opened;
}

interface Touched {
  readonly base: ValueIndex;
  /** The buffer's instances so far. */
  readonly instances: OpenTenancy[];
  readonly perMicrobatch: boolean;
  readonly isData: boolean;
  readonly isResult: boolean;
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
