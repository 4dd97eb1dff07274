import { isFloat, type DType } from '../ir/dtype.js';
import { elementwise } from './elementwise.js';

/**
 * The same numbers in another element type, rounded to nearest even; floats become integers by dropping the fraction.
 *
 * Linear only where the type widens: the sum of rounded parts is not the rounded sum.
 */
export const cast = elementwise({
  name: 'cast',
  summary: 'The same numbers in another element type.',
  operands: ['x'],
  attributeKinds: { dtype: 'dtype' },
  rounds: true,
  of: ({ dtype }) => (isFloat(dtype as DType) ? (x) => x : dtype === 'bool' ? (x) => (x !== 0 ? 1 : 0) : Math.trunc),
  dtype: ({ attributes }) => attributes.dtype as DType,
  linear: ({ operands, attributes }) => (widens(operands[0].dtype, attributes.dtype as DType) ? [[0]] : []),
  flops: 0,
  backward: ({ x, dY }) => ({ dX: isFloat(x.dtype) ? dY.apply('cast', [], { dtype: x.dtype }) : null }),
  example: { given: { x: [2.75] }, names: { x: 'i' }, attributes: { dtype: 'i32' }, gives: { y: [2] } },
});

/** True where every value of `from` is one of `to`. */
function widens(from: DType, to: DType): boolean {
  return from === to || wider[from].includes(to);
}

const wider: Readonly<Record<DType, readonly DType[]>> = {
  f64: [],
  f32: ['f64'],
  bf16: ['f32', 'f64'],
  f16: ['f32', 'f64'],
  i64: [],
  i32: ['i64', 'f64'],
  bool: [],
};
