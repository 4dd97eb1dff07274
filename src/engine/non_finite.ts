/** Telling a number that is not finite among a value's elements. */
import type { DType } from '../ir/dtype.js';

const floats: readonly DType[] = ['f64', 'f32', 'bf16', 'f16'];

export const isFloat = (dtype: DType): boolean => floats.includes(dtype);

/** `NaN` or `Infinity` where one is among the values, else null. Minus infinity is what masks are made of, and no fault. */
export function nonFiniteIn(values: Float64Array): 'NaN' | 'Infinity' | null {
  for (const value of values)
    if (Number.isNaN(value) || value === Infinity) return Number.isNaN(value) ? 'NaN' : 'Infinity';
  return null;
}
