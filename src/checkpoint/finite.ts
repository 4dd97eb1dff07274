/**
 * Numbers that are not finite, found in the bytes of a tensor as they pass.
 *
 * In each float type a number is infinite or NaN where all bits of its exponent are set; of `f8_e4m3`, which has no infinity, where all
 * bits but the sign are.
 */
import { tensorNotFinite } from './diagnostics.js';
import type { StoredDType, TensorSource } from './tensor.js';
import { storedDTypeBytes } from './tensor.js';

/** Bits of the last (most significant) bytes of an element that are all set where it is not finite, by element type. */
const setBits: Partial<Readonly<Record<StoredDType, number>>> = {
  f64: 0x7ff0_0000,
  f32: 0x7f80_0000,
  bf16: 0x7f80,
  f16: 0x7c00,
  f8_e5m2: 0x7c,
  f8_e4m3: 0x7f,
};

/** Where the first element that is not finite is, in chunks that are looked at one after the other. */
export class FiniteScan {
  readonly #elementBytes: number;
  readonly #bits: number | undefined;
  /** Bytes of an element that the last chunk ended within. */
  readonly #split: number[] = [];
  #elements = 0;

  constructor(dtype: StoredDType) {
    this.#elementBytes = storedDTypeBytes[dtype];
    this.#bits = setBits[dtype];
  }

  /** The index in the tensor of the first element that is not finite; null where all that have ended in this chunk are. */
  next(chunk: Uint8Array): number | null {
    if (this.#bits === undefined) return null;
    let from = 0;
    while (this.#split.length > 0 && from < chunk.length) {
      this.#split.push(chunk[from++]);
      if (this.#split.length < this.#elementBytes) continue;
      const found = this.#firstOf(Uint8Array.from(this.#split));
      this.#split.length = 0;
      if (found !== null) return found;
    }
    const whole = from + Math.floor((chunk.length - from) / this.#elementBytes) * this.#elementBytes;
    const found = this.#firstOf(chunk.subarray(from, whole));
    for (const byte of chunk.subarray(whole)) this.#split.push(byte);
    return found;
  }

  /** Of whole elements. */
  #firstOf(bytes: Uint8Array): number | null {
    const bits = this.#bits!;
    const words = wordsOf(bytes, Math.min(this.#elementBytes, 4));
    const stride = this.#elementBytes === 8 ? 2 : 1;
    for (let i = stride - 1; i < words.length; i += stride) {
      if ((words[i] & bits) === bits) return this.#elements + (i - (stride - 1)) / stride;
    }
    this.#elements += words.length / stride;
    return null;
  }
}

/** A source whose reading ends with `checkpoint/not-finite` at the first number that is not. */
export function finiteSource(source: TensorSource): TensorSource {
  return {
    ...source,
    async *read() {
      const scan = new FiniteScan(source.dtype);
      for await (const chunk of source.read()) {
        const element = scan.next(chunk);
        if (element !== null) throw tensorNotFinite({ tensor: source.name, element, shape: source.shape });
        yield chunk;
      }
    },
  };
}

/** Little-endian words of so many bytes; copied where they do not lie on a multiple of their size. */
function wordsOf(bytes: Uint8Array, wordBytes: number): Uint8Array | Uint16Array | Uint32Array {
  if (wordBytes === 1) return bytes;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % wordBytes === 0 ? bytes : bytes.slice();
  const words = byteLength / wordBytes;
  return wordBytes === 2 ? new Uint16Array(buffer, byteOffset, words) : new Uint32Array(buffer, byteOffset, words);
}
