/** The values of a step that was taken again, each held against the serial one, in the order in which they follow from each other. */
import { distanceOf, type Distance } from './distance.js';
import type { MeaningOf } from './meanings.js';
import { roundingOf } from './rounding.js';
import { serialStep, type SerialRequest } from './serial_step.js';
import type { WrittenValue, WrittenValues } from './written_values.js';

export interface HeldValue {
  readonly graph: 'step' | 'update';
  readonly microbatch: number | null;
  readonly written: WrittenValue;
  readonly distance: Distance;
  /** How far rounding takes it. */
  readonly rounding: number;
  /** Equal for values of two plans that are the same function of the same things. */
  readonly meaning: string;
}

/** Every value that ranks have written whole. */
export function holdAgainstSerial(
  written: WrittenValues,
  request: Omit<SerialRequest, 'wants'>,
  meaningOf: MeaningOf,
): readonly HeldValue[] {
  const held: HeldValue[] = [];
  for (const { variants, ...value } of serialStep({ ...request, wants: (one) => written.get(one) !== null })) {
    const found = written.get(value);
    const distance = found && distanceOf(found, variants);
    if (!found || !distance) continue;
    const { graph, microbatch } = value;
    const rounding = roundingOf(found.global.dtype, variants);
    held.push({ graph, microbatch, written: found, distance, rounding, meaning: meaningOf(value) });
  }
  return held;
}
