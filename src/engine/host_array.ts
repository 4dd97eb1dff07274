/**
 * Blocks on the host: one typed array for each element type, with the very bits that the arena holds.
 *
 *   f64 Float64Array   f32 Float32Array   bf16, f16 Uint16Array (bits)   i64 BigInt64Array   i32 Int32Array   bool Uint8Array (0 or 1)
 */
import type { DType } from '../ir/dtype.js';
import { roundBf16, roundF16 } from '../ops/round.js';

export type HostArray = Float64Array | Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array;

/** A block of zeros of an element type. */
export function hostArray(dtype: DType, elements: number): HostArray {
  return new constructors[dtype](elements);
}

/** True where an array is what {@link hostArray} makes for the element type. */
export const isHostArray = (dtype: DType, array: HostArray): boolean => array instanceof constructors[dtype];

/** Numbers as elements of a type: rounded to nearest even, wrapped where they are integers. */
export function encode(dtype: DType, values: ArrayLike<number>): HostArray {
  const array = hostArray(dtype, values.length);
  if (array instanceof BigInt64Array) for (let i = 0; i < values.length; i++) array[i] = toBigInt(values[i]);
  else {
    const bits = dtype === 'bf16' ? bf16Bits : dtype === 'f16' ? f16Bits : null;
    for (let i = 0; i < values.length; i++) array[i] = bits ? bits(values[i]) : values[i];
  }
  return array;
}

/** Elements as numbers: exact, but for i64 beyond 2^53. */
export function decode(dtype: DType, array: HostArray): Float64Array {
  if (array instanceof BigInt64Array) return Float64Array.from(array as unknown as ArrayLike<number>, Number);
  const numbers = new Float64Array(array);
  const number = dtype === 'bf16' ? bf16Number : dtype === 'f16' ? f16Number : null;
  return number ? numbers.map(number) : numbers;
}

export function bf16Bits(value: number): number {
  word.setFloat32(0, roundBf16(value));
  return word.getUint16(0);
}

export function bf16Number(bits: number): number {
  word.setUint32(0, bits * 65536);
  return word.getFloat32(0);
}

export function f16Bits(value: number): number {
  const x = roundF16(value);
  const sign = Object.is(x, -0) || x < 0 ? 0x8000 : 0;
  const a = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (a === Infinity) return sign | 0x7c00;
  if (a < 2 ** -14) return sign | (a * 2 ** 24);
  const exponent = Math.floor(Math.log2(a));
  return sign | ((exponent + 15) << 10) | ((a / 2 ** exponent - 1) * 1024);
}

export function f16Number(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export const toBigInt = (value: number): bigint => (Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n);

const word = new DataView(new ArrayBuffer(4));

const constructors = {
  f64: Float64Array,
  f32: Float32Array,
  bf16: Uint16Array,
  f16: Uint16Array,
  i64: BigInt64Array,
  i32: Int32Array,
  bool: Uint8Array,
} as const;
