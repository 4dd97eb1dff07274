/** The values of a step that was taken again, each held against the serial one, in the order in which they follow from each other. */
import type { DecomposedMeanings } from '../../ir/decomposed_meaning.js';
import { isFloat } from '../../ir/dtype.js';
import { printType } from '../../ir/type.js';
import type { ReferenceKernels } from '../../ops/evaluate.js';
import { placedMeanings } from '../../partition/check_meaning.js';
import type { PlacedGraphs } from '../../partition/place_graphs.js';
import { distanceOf, roundingOf, type Distance } from './distance.js';
import { serialStep, type SerialInputs } from './serial_step.js';
import { valueKey, type WrittenValue, type WrittenValues } from './written_values.js';

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

/** Every value that ranks have written, and that the serial step has. */
export function holdAgainstSerial(
  placed: PlacedGraphs,
  microbatches: number,
  written: WrittenValues,
  inputs: SerialInputs,
  { kernels, meanings }: { readonly kernels: ReferenceKernels; readonly meanings: DecomposedMeanings },
): readonly HeldValue[] {
  const held: HeldValue[] = [];
  const meaningOf = meaningsOf(placed, meanings);
  for (const { graph, id, microbatch, exact, rounded } of serialStep(placed, microbatches, kernels, inputs)) {
    const value = written.get(valueKey(graph, id, microbatch));
    const distance = value && distanceOf(value, exact, rounded);
    if (!value || !distance) continue;
    const { dtype } = value.global;
    const rounding = isFloat(dtype) ? roundingOf(dtype, exact, rounded) : 0;
    held.push({ graph, microbatch, written: value, distance, rounding, meaning: meaningOf(graph, id, microbatch) });
  }
  return held;
}

function meaningsOf({ step, update, buckets }: PlacedGraphs, meanings: DecomposedMeanings) {
  const of = {
    step: placedMeanings(step, meanings, buckets),
    update: update ? placedMeanings(update, meanings, []) : [],
  };
  const graphs = { step, update };
  return (graph: 'step' | 'update', id: number, microbatch: number | null): string =>
    `${graph} ${microbatch ?? 'sum'} ${of[graph][id]} ${printType({ ...graphs[graph]!.values[id].type, dtype: 'f64' })}`;
}
