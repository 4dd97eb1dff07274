/** Tensors on their way to and from disk. */
import type { DType } from '../ir/dtype.js';
import { dtypeBytes } from '../ir/dtype.js';

/** Element types that a file may hold: ours, and those found in other people's files, which can be read and passed on. */
export type StoredDType = DType | 'u8' | 'i8' | 'i16' | 'u16' | 'u32' | 'u64' | 'f8_e4m3' | 'f8_e5m2';

/** Bytes of one element. */
export const storedDTypeBytes: Readonly<Record<StoredDType, number>> = {
  ...dtypeBytes,
  u8: 1,
  i8: 1,
  i16: 2,
  u16: 2,
  u32: 4,
  u64: 8,
  f8_e4m3: 1,
  f8_e5m2: 1,
};

export interface TensorInfo {
  readonly name: string;
  readonly dtype: StoredDType;
  /** The global shape, whatever the layout in memory. */
  readonly shape: readonly number[];
}

/** A tensor that can be read once from its start: the runtime gathers its shards chunk by chunk as they are asked for. */
export interface TensorSource extends TensorInfo {
  /** Row-major, little-endian, `tensorBytes` in all. A chunk may be reused by the source once the next is asked for. */
  read(): AsyncIterable<Uint8Array>;
}

/** A tensor that lies in memory whole. */
export function memorySource(info: TensorInfo, data: ArrayBufferView): TensorSource {
  return {
    name: info.name,
    dtype: info.dtype,
    shape: info.shape,
    async *read() {
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    },
  };
}

export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

export const tensorBytes = ({ dtype, shape }: Omit<TensorInfo, 'name'>): number =>
  elements(shape) * storedDTypeBytes[dtype];

/** `f32[512,384]`, as types print elsewhere. */
export const tensorText = ({ dtype, shape }: Omit<TensorInfo, 'name'>): string => `${dtype}[${clip(shape.join(','))}]`;

/** What a file says of itself, cut so that a message stays a message. */
export const clip = (text: string, letters = 200): string =>
  text.length > letters ? `${text.slice(0, letters)}…` : text;
