/**
 * Philox 4×32 with 10 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the counter-based generator behind
 * all randomness, so that any element of a random tensor can be made without the others. `native/` has the same.
 */

/** Four words of 32 bits from a counter of four and a key of two; numbers are taken modulo 2^32. */
export function philox(out: Uint32Array, counter: Counter, key0: number, key1: number): void {
  let { c0, c1, c2, c3 } = counter;
  let [k0, k1] = [key0, key1];
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

export interface Counter {
  readonly c0: number;
  readonly c1: number;
  readonly c2: number;
  readonly c3: number;
}

/** The low and high words of an integer of up to 53 bits. */
export const lowWord = (x: number): number => x | 0;
export const highWord = (x: number): number => Math.floor(x / 2 ** 32) | 0;

/** The upper 32 bits of an unsigned product of 32 bits each. */
function multiplyHigh(a: number, b: number): number {
  const a1 = a >>> 16;
  const a0 = a & 0xffff;
  const b1 = b >>> 16;
  const b0 = b & 0xffff;
  // Neither sum reaches 2^32: (2^16 − 1)^2 + 2^16 − 1 = 2^32 − 2^16.
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + (middle >>> 16) + (other >>> 16)) | 0;
}
