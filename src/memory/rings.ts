/**
 * Rings of addresses for schedules that repeat.
 *
 * Of a schedule with a part that repeats many times the addresses repeat too, after as many microbatches as are under way at once, or after
 * twice as many for the few values that live longer. So a step with fewer periods tells all that can happen, and is planned in its place:
 * what is alive together in it is alive together in any period, with addresses that are the same ones.
 */
import { bytesOf } from '../ir/type.js';
import type { ProgramValue, Template, ValueIndex } from '../program/program.js';
import { instanceKey, isPerMicrobatch } from '../program/unroll.js';
import type { UnplacedStep } from './assign_memory.js';
import { mayFollow } from './lifetimes.js';
import { periodOf, withoutPeriods } from './period.js';
import { collectTenancies, type OpenTenancy, type SharedBuffer } from './tenancies.js';

export interface Rings {
  /** After so many microbatches a value's instances come back to the same address. */
  moduloOf(base: ValueIndex): number;
  readonly slots: readonly SharedBuffer[];
}

/** Null where nothing repeats, or too little to gain by it. */
export function ringsOf(
  values: readonly ProgramValue[],
  templates: readonly Template[],
  schedule: readonly UnplacedStep[],
  results: ReadonlySet<ValueIndex>,
  bases: ReadonlyMap<string, readonly ValueIndex[]>,
  most: number,
): Rings | null {
  const perMicrobatch = new Set([...bases.values()].flat().filter((base) => isPerMicrobatch(values, base)));
  if (perMicrobatch.size * microbatchesOf(schedule) <= most) return null;
  const period = periodOf(schedule);
  if (!period) return null;
  const { microbatches, count } = period;
  const instancesOf = (periods: number, round: number): readonly OpenTenancy[] | null => {
    const removed = Math.floor((count - periods) / round) * round;
    if (removed <= 0) return null;
    return collectTenancies(values, templates, withoutPeriods(schedule, period, removed), results);
  };
  const deepest = Math.ceil(underWay(schedule) / microbatches);
  const tried = instancesOf(3 * deepest, 1);
  if (!tried) return null;
  const least = leastModulo(values, tried);
  const rounds = Array.from({ length: deepest - Math.ceil(deepest / 2) + 1 }, (_, i) => 2 * (deepest - i));
  const choices = rounds.map((round) => choiceOf(values, least, round, microbatches));
  const { round, modulo, bytes } = choices.reduce((a, b) => (b.bytes < a.bytes ? b : a));
  // A value lives longer than any ring is round.
  if (bytes === Infinity) return null;
  // One round is all that can happen; another joins it to the beginning and the end of the step.
  const instances = instancesOf(2 * round, round);
  const moduloOf = (base: ValueIndex) => modulo.get(base) ?? 1;
  const slots = instances && ringSlots(values, instances, moduloOf);
  return slots && { moduloOf, slots };
}

/** Rings that all come round after so many periods: for each value the shortest, and the bytes that they would take were none shared. */
function choiceOf(
  values: readonly ProgramValue[],
  least: ReadonlyMap<ValueIndex, number>,
  round: number,
  microbatches: number,
) {
  const divisors = Array.from({ length: round * microbatches }, (_, i) => i + 1).filter(
    (n) => (round * microbatches) % n === 0,
  );
  let bytes = 0;
  const modulo = new Map<ValueIndex, number>();
  for (const [base, needed] of least) {
    const length = divisors.find((n) => n >= needed) ?? Infinity;
    modulo.set(base, length);
    bytes += length * bytesOf(values[base].type);
  }
  return { round, modulo, bytes };
}

/** For each value, the fewest microbatches after which an instance is surely over when another begins. */
function leastModulo(
  values: readonly ProgramValue[],
  instances: readonly OpenTenancy[],
): ReadonlyMap<ValueIndex, number> {
  const byBase = new Map<ValueIndex, OpenTenancy[]>();
  for (const instance of instances) {
    const { base } = instance;
    if (!isPerMicrobatch(values, base) || values[base].lifetime === 'data') continue;
    const list = byBase.get(base);
    if (list) list.push(instance);
    else byBase.set(base, [instance]);
  }
  return new Map(
    [...byBase].map(([base, list]) => {
      let modulo = 1;
      const over = (n: number) => list.every((one, i) => i < n || mayFollow(list[i - n], one));
      while (modulo < list.length && !over(modulo)) modulo++;
      return [base, modulo];
    }),
  );
}

/** The most microbatches that have begun and not ended. */
function underWay(schedule: readonly UnplacedStep[]): number {
  const last = new Map(schedule.map(({ microbatch }, i) => [microbatch, i]));
  const open = new Set<number>();
  let most = 0;
  schedule.forEach(({ microbatch }, i) => {
    open.add(microbatch);
    most = Math.max(most, open.size);
    if (last.get(microbatch) === i) open.delete(microbatch);
  });
  return most;
}

/** Null where an instance begins before the one whose place it would take is over. */
function ringSlots(
  values: readonly ProgramValue[],
  instances: readonly OpenTenancy[],
  moduloOf: (base: ValueIndex) => number,
): readonly SharedBuffer[] | null {
  const slots = new Map<string, { readonly base: ValueIndex; readonly tenancies: OpenTenancy[] }>();
  for (const instance of instances) {
    const { base, microbatch } = instance;
    if (values[base].lifetime === 'data') continue;
    const key = instanceKey(values, base, microbatch % moduloOf(base));
    const slot = slots.get(key);
    if (!slot) slots.set(key, { base, tenancies: [instance] });
    else if (mayFollow(slot.tenancies[slot.tenancies.length - 1], instance)) slot.tenancies.push(instance);
    else return null;
  }
  return [...slots.values()];
}

/** Scheduled microbatches of a step. */
export const microbatchesOf = (schedule: readonly UnplacedStep[]): number =>
  schedule.reduce((most, { microbatch }) => Math.max(most, microbatch + 1), 0);
