/** Element types as kernels tell them apart. */
import type { DType } from '../ir/dtype.js';

/** Types that kernels mix, their sums in f32. */
export const isNarrowFloat = (dtype: DType): boolean => dtype === 'f32' || dtype === 'bf16';

/** Float types that fast kernels take; f16 they do not. */
export const isKernelFloat = (dtype: DType): boolean => isNarrowFloat(dtype) || dtype === 'f64';

export const isInteger = (dtype: DType): boolean => dtype === 'i32' || dtype === 'i64';

/** The type to compute in where operands have several: f64 where one is, else f32. */
export const commonFloat = (dtypes: readonly DType[]): DType => (dtypes.includes('f64') ? 'f64' : 'f32');
