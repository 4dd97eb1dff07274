/**
 * Addresses: every buffer instance of a class's step gets its place in one arena. Persistent values come first, at addresses that do
 * not depend on the schedule; the rest is planned from lifetimes under happens-before (`memory/`).
 */
import { bytesOf } from '../ir/type.js';
import { clockLaunches } from './clocks.js';
import {
  alignUp,
  DEFAULT_ALIGNMENT,
  lifetimeProblem,
  planMemory,
  type PlanMemoryOptions,
  type LifetimeBuffer,
  type MemoryPlan,
} from './memory/index.js';
import type { ProgramValue, ScheduleStep, Template, ValueIndex } from './program.js';
import { baseOf, instanceKey, instructionsOf, operandsOf } from './unroll.js';

export interface AssignedMemory {
  readonly schedule: readonly ScheduleStep[];
  readonly arenaBytes: number;
  /** The largest sum of bytes live under happens-before, persistent values included. */
  readonly liveBytes: number;
}

/** A schedule whose steps have no addresses yet. */
export type UnplacedStep = Omit<ScheduleStep, 'offsets'>;

export function assignMemory(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  /** Values whose bytes the host reads after the step. */
  results: ReadonlySet<ValueIndex>,
  options?: PlanMemoryOptions,
): AssignedMemory {
  const fixed = persistentOffsets(values);
  const tenancies = collectTenancies(values, templates, schedule, results);
  const keys = [...tenancies.keys()];
  const buffers = keys.map((key): LifetimeBuffer => {
    const { base, acquire, release, launch } = tenancies.get(key)!;
    return {
      id: `${values[base].name} (${key})`,
      bytes: bytesOf(values[base].type),
      tenancies: [{ acquire, release, launch }],
    };
  });
  const plan: MemoryPlan | null =
    buffers.length > 0 ? planMemory(lifetimeProblem(buffers), options ?? searchLimit(keys.length)) : null;
  const offsetOf = new Map(keys.map((key, i) => [key, fixed.bytes + plan!.offsets[i]]));
  return {
    schedule: schedule.map((step) => ({
      ...step,
      offsets: offsetsOfStep(values, templates, step, fixed.offsets, offsetOf),
    })),
    arenaBytes: fixed.bytes + (plan?.peakBytes ?? 0),
    liveBytes: fixed.bytes + (plan?.boundBytes ?? 0),
  };
}

/** About a second or two of search a class: a node costs nearly a microsecond a buffer (30 s for 200,000 nodes on 200 buffers). */
const searchLimit = (buffers: number) => ({ searchNodes: Math.ceil(2e6 / buffers) });

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

function collectTenancies(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  results: ReadonlySet<ValueIndex>,
): ReadonlyMap<string, OpenTenancy> {
  const placed = schedule.map((step) => ({ ...step, offsets: {} }));
  const { lanes, launches } = clockLaunches({ templates, schedule: placed });
  const open = new Map<string, OpenTenancy>();
  for (const { instruction, step, lane, number, begins, index } of launches) {
    for (const { value } of operandsOf(instruction)) {
      const base = baseOf(values, value);
      if (values[base].lifetime === 'persistent') continue;
      const key = instanceKey(values, base, step.microbatch);
      let tenancy = open.get(key);
      if (!tenancy) {
        // Data is there from the start: the host wrote it before the step.
        const acquire = values[base].lifetime === 'data' ? lanes.map(() => 0) : begins;
        tenancy = { base, acquire, release: lanes.map(() => 0), launch: index };
        open.set(key, tenancy);
      }
      tenancy.release[lane] = results.has(base) ? Infinity : Math.max(tenancy.release[lane], number);
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
