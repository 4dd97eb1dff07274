/**
 * First values of parameters, as data: a function of (seed, name, global element index), so that every rank fills its own shard
 * and any layout starts from the same bits.
 *
 * Normal numbers are Box-Muller pairs over Philox 4x32-10, the counter-based generator of Salmon et al. 2011 ("Parallel random
 * numbers: as easy as 1, 2, 3"): key = (seed, hash of the name), counter = index of the element's group of four.
 */

/** How a parameter starts. `std` is the standard deviation of a normal distribution of mean zero. */
export type Init =
  { readonly kind: 'normal'; readonly std: number } | { readonly kind: 'zeros' } | { readonly kind: 'ones' };

export const normal = (std: number): Init => ({ kind: 'normal', std });
export const zeros: Init = { kind: 'zeros' };
export const ones: Init = { kind: 'ones' };

/** Says which parameter of which run is filled. */
export interface InitKey {
  readonly seed: number;
  readonly name: string;
}

/** Elements `start` to `start + length` of a parameter in row-major order of the whole tensor, in f32. */
export function initialValues(init: Init, key: InitKey, start: number, length: number): Float32Array {
  const out = new Float32Array(length);
  fillInitial(out, init, key, start);
  return out;
}

/** Writes elements `start`, `start + 1`, … into `out`. */
export function fillInitial(out: Float32Array, init: Init, key: InitKey, start: number): void {
  if (init.kind !== 'normal') {
    out.fill(init.kind === 'ones' ? 1 : 0);
    return;
  }
  const words = new Uint32Array(4);
  const name = hashName(key.name);
  for (let group = Math.floor(start / 4); group * 4 < start + out.length; group++) {
    philox(words, key.seed, name, group);
    for (let pair = 0; pair < 4; pair += 2) {
      const index = group * 4 + pair - start;
      if (index + 1 < 0 || index >= out.length) continue;
      // A word w stands for (w + 1/2) / 2^32, inside (0, 1).
      const radius = init.std * Math.sqrt(-2 * Math.log((words[pair] + 0.5) / 2 ** 32));
      const angle = 2 * Math.PI * ((words[pair + 1] + 0.5) / 2 ** 32);
      if (index >= 0) out[index] = radius * Math.cos(angle);
      if (index + 1 < out.length) out[index + 1] = radius * Math.sin(angle);
    }
  }
}

/** FNV-1a over UTF-16 code units, 32 bits. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Philox 4x32-10: four words from key (key0, key1) and a counter below 2^53, whose upper two words are zero. */
export function philox(out: Uint32Array, key0: number, key1: number, counter: number): void {
  let [c0, c1, c2, c3] = [counter >>> 0, Math.floor(counter / 2 ** 32) >>> 0, 0, 0];
  let [k0, k1] = [key0 >>> 0, key1 >>> 0];
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}
