/**
 * One rank's memory: bytes, read and written as elements of a type at any offset and strides.
 *
 * Element types are emulated exactly: what is written is rounded to nearest even, and lies there in the type's own bits.
 */
import { dtypeBytes, type DType } from '../../ir/dtype.js';
import { bf16Bits, bf16Number, f16Bits, f16Number, toBigInt } from '../host_array.js';

/** Elements of the arena: byte offset of the first, then one size and one stride (in elements) a factor. */
export interface ArenaView {
  readonly dtype: DType;
  readonly offset: number;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

export class Arena {
  private memory: Uint8Array;
  private data: DataView;

  /** `poison`: the byte that memory is filled with before anything is written. 0xFF is NaN in every float type, and -1. */
  constructor(bytes: number, poison: number) {
    this.memory = new Uint8Array(bytes).fill(poison);
    this.data = new DataView(this.memory.buffer);
  }

  get bytes(): Uint8Array {
    return this.memory;
  }

  /** Makes room for more bytes; those that are there keep their addresses. */
  grow(bytes: number, poison: number): void {
    const grown = new Uint8Array(bytes).fill(poison);
    grown.set(this.memory);
    this.memory = grown;
    this.data = new DataView(grown.buffer);
  }

  /** Whether every element of a view lies in the arena. */
  contains({ dtype, offset, sizes, strides }: ArenaView): boolean {
    if (sizes.some((size) => size === 0)) return true;
    const last = sizes.reduce((sum, size, i) => sum + (size - 1) * strides[i], 0);
    return offset >= 0 && offset + (last + 1) * dtypeBytes[dtype] <= this.memory.length;
  }

  /** The elements of a view, row-major. Throws a RangeError beyond the arena. */
  read(view: ArenaView): Float64Array {
    const stretch = this.stretch(view);
    if (stretch) return new Float64Array(stretch);
    const get = getters[view.dtype];
    const { data } = this;
    const values = new Float64Array(elementsOf(view));
    let i = 0;
    forEachByte(view, (at) => {
      values[i++] = get(data, at);
    });
    return values;
  }

  /** Writes a view's elements from row-major values. */
  write(view: ArenaView, values: Float64Array): void {
    const set = setters[view.dtype];
    const { data } = this;
    if (values.length !== elementsOf(view)) {
      throw new RangeError(`${values.length} elements for a block of ${elementsOf(view)}`);
    }
    const stretch = this.stretch(view);
    if (stretch) return stretch.set(values);
    let i = 0;
    forEachByte(view, (at) => set(data, at, values[i++]));
  }

  /** Adds to a view's elements, in its element type. */
  accumulate(view: ArenaView, values: Float64Array): void {
    const sum = this.read(view);
    if (values.length !== sum.length) throw new RangeError(`${values.length} elements for a block of ${sum.length}`);
    for (let i = 0; i < sum.length; i++) sum[i] += values[i];
    this.write(view, sum);
  }

  /** A view's elements where they lie, if these are floats that lie one behind the other as the machine reads them; else null. */
  private stretch(view: ArenaView): Float64Array | Float32Array | null {
    const { dtype, offset } = view;
    if ((dtype !== 'f64' && dtype !== 'f32') || offset % dtypeBytes[dtype] !== 0 || !isStretch(view)) return null;
    const { buffer } = this.memory;
    return dtype === 'f64'
      ? new Float64Array(buffer, offset, elementsOf(view))
      : new Float32Array(buffer, offset, elementsOf(view));
  }
}

const elementsOf = (view: ArenaView): number => view.sizes.reduce((a, b) => a * b, 1);

/** Elements one behind the other; none are not. */
function isStretch({ sizes, strides }: ArenaView): boolean {
  let step = 1;
  for (let i = sizes.length - 1; i >= 0; i--) {
    if (sizes[i] !== 1 && strides[i] !== step) return false;
    step *= sizes[i];
  }
  return step > 0;
}

/** Visits the byte offset of each element of a view, row-major. */
function forEachByte({ dtype, offset, sizes, strides }: ArenaView, visit: (at: number) => void): void {
  const bytes = dtypeBytes[dtype];
  const descend = (d: number, at: number): void => {
    if (d === sizes.length) return visit(at);
    const step = strides[d] * bytes;
    const size = sizes[d];
    if (d === sizes.length - 1) for (let i = 0, b = at; i < size; i++, b += step) visit(b);
    else for (let i = 0; i < size; i++) descend(d + 1, at + i * step);
  };
  descend(0, offset);
}

const getters: Readonly<Record<DType, (data: DataView, at: number) => number>> = {
  f64: (data, at) => data.getFloat64(at, true),
  f32: (data, at) => data.getFloat32(at, true),
  bf16: (data, at) => bf16Number(data.getUint16(at, true)),
  f16: (data, at) => f16Number(data.getUint16(at, true)),
  i64: (data, at) => Number(data.getBigInt64(at, true)),
  i32: (data, at) => data.getInt32(at, true),
  bool: (data, at) => data.getUint8(at),
};

const setters: Readonly<Record<DType, (data: DataView, at: number, value: number) => void>> = {
  f64: (data, at, value) => data.setFloat64(at, value, true),
  f32: (data, at, value) => data.setFloat32(at, value, true),
  bf16: (data, at, value) => data.setUint16(at, bf16Bits(value), true),
  f16: (data, at, value) => data.setUint16(at, f16Bits(value), true),
  i64: (data, at, value) => data.setBigInt64(at, toBigInt(value), true),
  i32: (data, at, value) => data.setInt32(at, value, true),
  bool: (data, at, value) => data.setUint8(at, value),
};
