/**
 * First values of parameters, as data: a function of (seed, name, global element index), so that every rank fills its own shard
 * and any layout starts from the same bits.
 *
 * Normal numbers are Box-Muller pairs over Philox: key = (seed, hash of the name), counter = index of the element's group of four.
 */
import { badInit } from './diagnostics.js';
import { highWord, lowWord, philox } from '../ops/philox.js';

/** How a parameter starts. `std` is the standard deviation of a normal distribution of mean zero. */
export type Init =
  { readonly kind: 'normal'; readonly std: number } | { readonly kind: 'zeros' } | { readonly kind: 'ones' };

/** Throws `nn/bad-init`: what is no number would be NaN in every weight. */
export function normal(std: number): Init {
  if (!(Number.isFinite(std) && std >= 0)) throw badInit({ std });
  return { kind: 'normal', std };
}

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
    philox(words, { c0: lowWord(group), c1: highWord(group), c2: 0, c3: 0 }, key.seed, name);
    for (let pair = 0; pair < 4; pair += 2) {
      const index = group * 4 + pair - start;
      // A word w stands for (w + 1/2) / 2^32, inside (0, 1).
      const radius = init.std * Math.sqrt(-2 * Math.log((words[pair] + 0.5) / 2 ** 32));
      const angle = 2 * Math.PI * ((words[pair + 1] + 0.5) / 2 ** 32);
      // What lies outside `out`, in the first and the last group, is dropped: writing there does nothing.
      if (index >= 0) out[index] = radius * Math.cos(angle);
      if (index + 1 >= 0) out[index + 1] = radius * Math.sin(angle);
    }
  }
}

/** FNV-1a over UTF-16 code units, 32 bits. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
