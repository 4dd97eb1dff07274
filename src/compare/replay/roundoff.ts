import type { DType } from '../../ir/dtype.js';

/** How much rounding changes a number of a type at the most, relative to it: half the distance of two. None for integers. */
export const roundoff: Partial<Record<DType, number>> = { f64: 2 ** -53, f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };
