/**
 * The order in which sequences are read: shuffled anew every epoch, computed, never stored.
 *
 *   sequence = permutation[seed, epoch](sample mod n),   epoch = ⌊sample / n⌋
 *
 * A sample is counted from the start of the run, whatever batches it came in. The order depends on nothing else, so any number of
 * ranks reads the same batches, and a run resumes from its count of samples, under any batch.
 *
 * The permutation is a Feistel network over the smallest 2^(2h) ≥ n, walked until it lands below n (cycle walking: fewer than four
 * tries on average): a bijection of 0 … n − 1 whatever the round function is.
 * Source: Black, Rogaway 2002, "Ciphers with arbitrary finite domains", sections 4 and 5.
 */

/** Four rounds make a pseudorandom permutation (Luby, Rackoff 1988); small domains, where halves have few bits, get more. */
const ROUNDS = 8;

/** The image of `index` under the permutation of 0 … n − 1 that belongs to (seed, epoch). n ≤ 2^52. */
export function permute(index: number, n: number, seed: number, epoch: number): number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(n) / 2));
  const half = 2 ** halfBits;
  const mask = half - 1;
  const key = mix(mix(seed | 0, Math.floor(seed / 2 ** 32)), epoch);
  let value = index;
  do {
    let left = Math.floor(value / half);
    let right = value % half;
    for (let round = 0; round < ROUNDS; round++) {
      [left, right] = [right, (left ^ mix(mix(key, round), right)) & mask];
    }
    value = left * half + right;
  } while (value >= n);
  return value;
}

/** Which sequence a run reads as its `sample`-th, from 0. */
export function sequenceAt(p: {
  readonly seed: number;
  readonly sample: number;
  /** Sequences in an epoch. */
  readonly sequences: number;
}): number {
  return permute(p.sample % p.sequences, p.sequences, p.seed, Math.floor(p.sample / p.sequences));
}

/** Two words into one, each bit depending on all: MurmurHash3's body and finaliser (Appleby 2011). */
function mix(state: number, word: number): number {
  let hash = Math.imul(word, 0xcc9e2d51);
  hash = state ^ Math.imul((hash << 15) | (hash >>> 17), 0x1b873593);
  hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
