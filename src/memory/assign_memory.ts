/**
 * Addresses: every buffer instance of a class's step gets its place in one arena. Persistent values come first, at addresses that do
 * not depend on the schedule; the rest is planned from lifetimes under happens-before. Where there are very many, instances
 * of one value share addresses before that (`rings.ts`, `tenancies.ts`).
 */
import { bytesOf } from '../ir/type.js';
import { baseOf } from '../program/place.js';
import type { ProgramValue, RankClass, ScheduleStep, Template, ValueIndex } from '../program/program.js';
import { operandsOf } from '../program/kinds.js';
import { instanceKey, instructionsOf } from '../program/unroll.js';
import {
  alignUp,
  DEFAULT_ALIGNMENT,
  lifetimeProblem,
  planMemory,
  type LifetimeBuffer,
  type MemoryPlan,
  type PlanMemoryOptions,
} from './index.js';
import { microbatchesOf, ringsOf } from './rings.js';
import { sectionRows } from './lifetimes.js';
import { mostBytes } from './lower_bound.js';
import { collectTenancies, mostInstances, sharedBuffersOf, type SharedBuffer } from './tenancies.js';

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

export interface AssignMemoryOptions extends PlanMemoryOptions {
  /** Up to so many instances of buffers, each gets an address of its own. Default: 8,000. */
  readonly instances?: number;
}

/** A schedule whose steps have no addresses yet. */
export type UnplacedStep = Omit<ScheduleStep, 'offsets'>;

export function assignMemory(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  { results, state }: KeptValues,
  options: AssignMemoryOptions | null = null,
): AssignedMemory {
  const bases = basesByTemplate(values, templates);
  const { moduloOf, fixed, slots, buffers } = demandOf(values, templates, schedule, results, bases, options);
  const instances = slots.reduce((n, { tenancies }) => n + tenancies.length, 0);
  const plan: MemoryPlan | null =
    buffers.length > 0 ? planMemory(lifetimeProblem(buffers), options ?? searchLimit(instances)) : null;
  const keyOf = (base: ValueIndex, microbatch: number) =>
    instanceKey(values, base, moduloOf ? microbatch % moduloOf(base) : microbatch);
  const offsetOf = new Map<string, number>();
  slots.forEach(({ base, tenancies }, i) => {
    for (const { microbatch } of tenancies) offsetOf.set(keyOf(base, microbatch), fixed.bytes + plan!.offsets[i]);
  });
  const addressOf = (base: ValueIndex, microbatch: number): number =>
    fixed.addressOf(base, microbatch) ?? offsetOf.get(keyOf(base, microbatch))!;
  const placed = schedule.map((step) => ({
    ...step,
    offsets: Object.fromEntries(bases.get(step.template)!.map((base) => [base, addressOf(base, step.microbatch)])),
  }));
  const kept = state.map((value) => baseOf(values, value));
  const untouched = kept.filter((base) => placed.every(({ offsets }) => offsets[base] === undefined));
  const more = Object.fromEntries(untouched.map((base) => [base, addressOf(base, 0)]));
  return {
    schedule: placed.map((step, i) => (i === 0 ? { ...step, offsets: { ...step.offsets, ...more } } : step)),
    arenaBytes: fixed.bytes + (plan?.peakBytes ?? 0),
    liveBytes: fixed.bytes + (plan?.boundBytes ?? 0),
  };
}

/** What {@link assignMemory} calls live and fixed, without an address for anything. */
export function liveMemory(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  { results }: KeptValues,
  options: AssignMemoryOptions | null = null,
): Pick<AssignedMemory, 'liveBytes'> & { readonly persistentBytes: number } {
  const bases = basesByTemplate(values, templates);
  const { fixed, buffers } = demandOf(values, templates, schedule, results, bases, options);
  const live = mostBytes({ buffers, rows: sectionRows(buffers) });
  return { liveBytes: fixed.bytes + live, persistentBytes: persistentEnd(values) };
}

/** The first free byte behind what lies in an arena for all steps. */
export const persistentEnd = (values: readonly ProgramValue[]): number => persistentOffsets(values, 0).bytes;

/** What needs memory: what is there for the whole step, and buffers with their lifetimes. */
interface MemoryDemand {
  readonly fixed: FixedOffsets;
  /** After so many microbatches a value's instances come back to the same address; null: each has its own. */
  readonly moduloOf: ((base: ValueIndex) => number) | null;
  readonly slots: readonly SharedBuffer[];
  /** One a slot. */
  readonly buffers: readonly LifetimeBuffer[];
}

function demandOf(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  results: ReadonlySet<ValueIndex>,
  bases: ReadonlyMap<string, readonly ValueIndex[]>,
  options: AssignMemoryOptions | null,
): MemoryDemand {
  const limit = options?.instances ?? mostInstances;
  const ringed = ringsOf(values, templates, schedule, results, bases, limit);
  const fixed = persistentOffsets(values, ringed ? microbatchesOf(schedule) : 0);
  const slots = ringed?.slots ?? sharedBuffersOf(collectTenancies(values, templates, schedule, results), limit);
  const buffers = slots.map(({ base, tenancies }): LifetimeBuffer => {
    const [{ microbatch }] = tenancies;
    return { id: `${values[base].name} (${microbatch})`, bytes: bytesOf(values[base].type), tenancies };
  });
  return { fixed, moduloOf: ringed ? (base) => ringed.moduloOf(base) : null, slots, buffers };
}

interface FixedOffsets {
  /** Null: the value has no address of its own for the whole step. */
  addressOf(base: ValueIndex, microbatch: number): number | null;
  readonly bytes: number;
}

/** Persistent values, and behind them the data of so many microbatches, which the host writes before the step. */
function persistentOffsets(values: readonly ProgramValue[], microbatches: number): FixedOffsets {
  const offsets = new Map<ValueIndex, readonly number[]>();
  let bytes = 0;
  const place = (index: ValueIndex, instances: number): void => {
    const made: number[] = [];
    for (let i = 0; i < instances; i++) {
      made.push(bytes);
      bytes = alignUp(bytes + bytesOf(values[index].type), DEFAULT_ALIGNMENT);
    }
    if (instances > 0) offsets.set(index, made);
  };
  values.forEach(({ lifetime, view }, index) => lifetime === 'persistent' && !view && place(index, 1));
  values.forEach(({ lifetime, view }, index) => lifetime === 'data' && !view && place(index, microbatches));
  return {
    addressOf: (base, microbatch) => {
      const found = offsets.get(base);
      return found ? found[values[base].lifetime === 'data' ? microbatch : 0] : null;
    },
    bytes,
  };
}

/** The buffers that each template touches. */
const basesByTemplate = (
  values: readonly ProgramValue[],
  templates: readonly Template[],
): ReadonlyMap<string, readonly ValueIndex[]> =>
  new Map(
    templates.map((template) => {
      const touched = new Set<ValueIndex>();
      for (const instruction of instructionsOf(template))
        for (const { value } of operandsOf(instruction)) touched.add(baseOf(values, value));
      return [template.name, [...touched]];
    }),
  );

/** About a second or two of search a class: a node costs nearly a microsecond an instance (30 s for 200,000 nodes on 200 of them). */
const searchLimit = (instances: number) => ({
  searchNodes: instances > mostInstances ? 0 : Math.ceil(2e6 / instances),
});
