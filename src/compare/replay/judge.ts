/**
 * The first value of two steps that rounding does not explain: the run's is further from the serial step's than four times the other
 * run's is, and than four times what rounding does to it. Of integers, routing and masks there is no such distance: they are equal or not.
 */
import { describeLaunch } from '../../engine/reference/describe.js';
import { placeOf } from '../../engine/non_finite.js';
import { isFloat } from '../../ir/dtype.js';
import { printElement } from '../../reshard/execute.js';
import type { HeldValue } from './held.js';
import type { OffValue } from './off_value.js';

const times = 4;

/** Null where all of it is explained. The second run is looked at first: it is the one that is doubted. */
export const firstOff = (a: readonly HeldValue[], b: readonly HeldValue[]): OffValue | null =>
  offIn('B', b, a) ?? offIn('A', a, b);

function offIn(run: OffValue['run'], own: readonly HeldValue[], others: readonly HeldValue[]): OffValue | null {
  const distances = new Map<string, number>();
  for (const { meaning, distance } of others)
    distances.set(meaning, Math.max(distances.get(meaning) ?? 0, distance.largest));
  for (const value of own) {
    const { written, distance, rounding, meaning } = value;
    const other = distances.get(meaning) ?? null;
    const allowed = isFloat(written.global.dtype) ? times * Math.max(other ?? 0, rounding) : (other ?? 0);
    if (distance.largest > allowed) return offValue(run, value, allowed, other);
  }
  return null;
}

function offValue(run: OffValue['run'], value: HeldValue, allowed: number, others: number | null): OffValue {
  const { graph, microbatch, written, distance } = value;
  const { rank, element, exact, found, largest } = distance;
  const { launch } = written.blocks.get(rank)!;
  return {
    run,
    name: written.name,
    graph,
    microbatch,
    rank,
    element: printElement(written.global, element),
    exact,
    found,
    distance: largest,
    allowed,
    others,
    instruction: describeLaunch(launch),
    op: placeOf(launch.instruction),
  };
}
