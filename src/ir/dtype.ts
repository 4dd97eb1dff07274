/** Element types, as they are named in types, plans, checkpoints and on wires. */
export type DType = 'f64' | 'f32' | 'bf16' | 'f16' | 'i64' | 'i32' | 'bool';

export const dtypes: readonly DType[] = ['f64', 'f32', 'bf16', 'f16', 'i64', 'i32', 'bool'];

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<DType, number>> = { f64: 8, f32: 4, bf16: 2, f16: 2, i64: 8, i32: 4, bool: 1 };

export const isFloat = (dtype: DType): boolean =>
  dtype === 'f64' || dtype === 'f32' || dtype === 'bf16' || dtype === 'f16';

/** What a signature's `f32` means: at least f32, so f64 where any operand is f64. */
export const atLeastF32 = (dtype: DType): DType => (dtype === 'f64' ? 'f64' : 'f32');

/** The type of an elementwise result of two operands: the wider float wins. */
export function promote(a: DType, b: DType): DType {
  if (a === b) return a;
  if (isFloat(a) !== isFloat(b)) return isFloat(a) ? a : b;
  return floatOrder.indexOf(a) < floatOrder.indexOf(b) ? a : b;
}

// bf16 with f16 gives f32 in PyTorch; models here never mix the two.
const floatOrder: readonly DType[] = ['f64', 'f32', 'bf16', 'f16', 'i64', 'i32', 'bool'];
