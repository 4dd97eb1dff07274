/** Telling numbers that are not finite, and which of several came first. */
import type { DType } from '../ir/dtype.js';
import type { Phase } from '../ir/graph.js';
import { titleOf } from '../program/kinds.js';
import type { Instruction } from '../program/program.js';
import type { NonFinite } from './engine.js';
import type { HostArray } from './host_array.js';

/** Index of the first element that is NaN or infinite; -1 where there is none. Minus infinity is what masks are made of, and no fault. */
export function nonFiniteIn(dtype: DType, elements: HostArray): number {
  switch (dtype) {
    case 'f64':
    case 'f32':
      return (elements as Float64Array).findIndex((x) => Number.isNaN(x) || x === Infinity);
    case 'bf16':
      return (elements as Uint16Array).findIndex((bits) => (bits & 0x7f80) === 0x7f80 && bits !== 0xff80);
    case 'f16':
      return (elements as Uint16Array).findIndex((bits) => (bits & 0x7c00) === 0x7c00 && bits !== 0xfc00);
    default:
      return -1;
  }
}

/** Whether a run of elements, half-open, has one that is NaN or infinite. */
export const nonFiniteWithin =
  (dtype: DType, elements: HostArray) =>
  (from: number, to: number): boolean =>
    nonFiniteIn(dtype, elements.subarray(from, to)) >= 0;

/** Where in a step's dataflow an instruction stands. */
export interface DataflowPlace {
  /** The value came from another rank. Then its cause did too, unless a reduction itself overflowed. */
  readonly received: boolean;
  readonly phase: Phase;
  readonly microbatch: number;
  readonly chunk: number;
  /** In the launch list of the class: equal work of a group's ranks has about equal positions. */
  readonly position: number;
  readonly rank: number;
}

/** Numbers such that of two causes the one whose numbers are less, compared one by one, cannot follow from the other. */
export function dataflowOrder({
  received,
  phase,
  microbatch,
  chunk,
  position,
  rank,
}: DataflowPlace): readonly number[] {
  const phases: readonly Phase[] = ['forward', 'backward', 'weight', 'update'];
  // Forward runs through the chunks upwards, backward downwards.
  const distance = phase === 'forward' ? chunk : -chunk;
  return [received ? 1 : 0, phases.indexOf(phase), phase === 'update' ? 0 : microbatch, distance, position, rank];
}

/** The one that came first in the dataflow of a step. */
export function earliest(found: readonly NonFinite[]): NonFinite | null {
  return found.reduce<NonFinite | null>((first, one) => (first && !precedes(one, first) ? first : one), null);
}

/** `einsum, blocks.1.mlp.down (forward)` */
export function placeOf(instruction: Instruction): string {
  const { path, phase } = instruction.source;
  return `${titleOf(instruction)}, ${path || 'model'} (${phase})`;
}

function precedes(a: NonFinite, b: NonFinite): boolean {
  const differs = a.order.findIndex((number, i) => number !== b.order[i]);
  return differs >= 0 && a.order[differs] < b.order[differs];
}
