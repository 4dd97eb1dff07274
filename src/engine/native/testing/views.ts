/** Views and launches for tests: short ways to say them. */
import { dtypeBytes, type DType } from '../../../ir/dtype.js';
import { rowMajor } from '../../../ir/strides.js';
import type { CollectiveLaunch, KernelLaunch, LoadedView } from '../loaded_program.js';

export function view(dtype: DType, offset: number, ...sizes: number[]): LoadedView {
  return { offset, dtype, sizes, strides: rowMajor(sizes) };
}

export function fill(output: LoadedView, value: number): KernelLaunch {
  return {
    kind: 'kernel',
    kernel: 'fill',
    operands: [output],
    reads: 0,
    scratch: null,
    attributes: { value },
    at: 'test.fill',
  };
}

export function collective(
  name: CollectiveLaunch['collective'],
  input: LoadedView,
  output: LoadedView,
  options: Partial<CollectiveLaunch> = {},
): CollectiveLaunch {
  const reduction = name === 'all_reduce' || name === 'reduce_scatter' ? 'sum' : null;
  return {
    kind: 'collective',
    collective: name,
    group: 0,
    reduction,
    input,
    output,
    scratch: null,
    event: 0,
    at: `test.${name}`,
    ...options,
  };
}

/** Numbers as the bytes of a dtype, and back: written without the addon. bf16 rounds to nearest even. */
export function encode(dtype: DType, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * dtypeBytes[dtype]);
  const memory = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (dtype === 'f64') memory.setFloat64(8 * i, value, true);
    else if (dtype === 'f32') memory.setFloat32(4 * i, value, true);
    else if (dtype === 'i64') memory.setBigInt64(8 * i, BigInt(value), true);
    else if (dtype === 'i32') memory.setInt32(4 * i, value, true);
    else if (dtype === 'bool') memory.setUint8(i, value);
    else if (dtype === 'bf16') memory.setUint16(2 * i, bfloat16Bits(value), true);
    else memory.setUint16(2 * i, halfBits(value), true);
  });
  return bytes;
}

export function decode(dtype: DType, bytes: Uint8Array): number[] {
  const memory = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / dtypeBytes[dtype] }, (_, i) => {
    if (dtype === 'f64') return memory.getFloat64(8 * i, true);
    if (dtype === 'f32') return memory.getFloat32(4 * i, true);
    if (dtype === 'i64') return Number(memory.getBigInt64(8 * i, true));
    if (dtype === 'i32') return memory.getInt32(4 * i, true);
    if (dtype === 'bool') return memory.getUint8(i);
    if (dtype === 'bf16') return new Float32Array(new Uint32Array([memory.getUint16(2 * i, true) << 16]).buffer)[0];
    return ofHalfBits(memory.getUint16(2 * i, true));
  });
}

/** A number that is one of half precision, as roundTo makes them. */
function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const a = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (a === Infinity) return sign | 0x7c00;
  if (a < 2 ** -14) return sign | (a * 2 ** 24);
  const exponent = Math.floor(Math.log2(a));
  return sign | ((exponent + 15) << 10) | ((a / 2 ** exponent - 1) * 1024);
}

function ofHalfBits(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 0x3ff];
  const a =
    exponent === 31
      ? fraction === 0
        ? Infinity
        : NaN
      : exponent === 0
        ? fraction * 2 ** -24
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -a : a;
}

function bfloat16Bits(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0];
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
