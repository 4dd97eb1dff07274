/** Rounding of f64 to the element types of the IR: how the reference engine emulates them. */
import type { DType } from '../ir/dtype.js';

/** Rounds every element to `dtype`, in place, to nearest even. Integers and booleans are exact already. */
export function roundTo(dtype: DType, values: Float64Array): Float64Array {
  const round = rounding[dtype];
  if (round) for (let i = 0; i < values.length; i++) values[i] = round(values[i]);
  return values;
}

/** Through f32 first, as arithmetic in bf16 and f16 is done: in f32, then rounded. */
export function roundBf16(x: number): number {
  word.float[0] = x;
  const bits = word.bits[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return NaN;
  word.bits[0] = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  return word.float[0];
}

export function roundF16(value: number): number {
  const x = Math.fround(value);
  const a = Math.abs(x);
  if (!(a < 65520)) return a > 0 ? Math.sign(x) * Infinity : x;
  // Below 2^-14 the spacing is 2^-24; above, 2^-10 of the power of two below.
  const exponent = a < 2 ** -14 ? -14 : Math.floor(Math.log2(a));
  const spacing = 2 ** (exponent - 10);
  return Math.sign(x) * nearestEven(a / spacing) * spacing;
}

function nearestEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

const word = (() => {
  const float = new Float32Array(1);
  return { float, bits: new Uint32Array(float.buffer) };
})();

const rounding: Readonly<Partial<Record<DType, (x: number) => number>>> = {
  f32: Math.fround,
  bf16: roundBf16,
  f16: roundF16,
};
