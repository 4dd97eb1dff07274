/**
 * A hash of a tensor's content that no layout changes: the sum, over its elements, of a hash of each element's place in the whole and of its
 * bits. What parts come to adds up to what the whole comes to, whoever holds which part, and in whatever order.
 *
 *   word w at place i      x = mix(w ⊕ i·c₁),  y = mix'(w + i·c₂)        32 bits each; i modulo 2³²
 *   content                (Σ x, Σ y) modulo 2³²
 *
 * An element of 64 bits is two words, at 2i and 2i + 1; a shorter one than 32 bits is a word. `mix` is a bijection, so that no single change
 * goes unseen; of other changes about one in 2⁶⁴ does. Nothing here withstands somebody who wants two contents to be taken for one.
 * `native/content_hash.cpp` comes to the same numbers in an arena.
 *
 * Source: mixers as in MurmurHash3 (Appleby 2011) and xxHash (Collet 2012); sums of hashes of (place, content): Bellare and Micciancio 1997.
 */
import type { HostArray } from './host_array.js';

/** A box of a tensor, whose elements lie one behind the other in a block. All numbers are in elements. */
export interface HashedBox {
  /** Of its first element: in the block, and in the tensor. */
  readonly at: number;
  readonly start: number;
  readonly sizes: readonly number[];
  /** One stride a dimension, in the tensor. */
  readonly strides: readonly number[];
}

/** Words of a content hash. */
export const hashWords = 2;

/** Adds what a box comes to: `sums` has the words of a tensor's hash, or of a part of it. */
export function addContent(sums: Uint32Array, block: HostArray, box: HashedBox): void {
  const { words, each } = wordsOf(block);
  let [x, y] = [sums[0], sums[1]];
  let from = box.at * each;
  forEachRun(box, (start, elements) => {
    const place = (start * each) % 2 ** 32;
    for (let k = 0; k < elements * each; k++) {
      const [word, at] = [words[from + k], place + k];
      x = (x + mixed(word ^ Math.imul(at, placeX), 15, mixX, 13, mixY)) | 0;
      y = (y + mixed(word + Math.imul(at, placeY), 16, mixY, 15, mixX)) | 0;
    }
    from += elements * each;
  });
  sums[0] = x;
  sums[1] = y;
}

/** Odd, with bits all over: of xxHash and MurmurHash3. */
const [placeX, placeY] = [0x9e3779b1, 0x27d4eb2f];
const [mixX, mixY] = [0x85ebca6b, 0xc2b2ae35];

function mixed(word: number, firstShift: number, first: number, secondShift: number, second: number): number {
  let bits = Math.imul(word ^ (word >>> firstShift), first);
  bits = Math.imul(bits ^ (bits >>> secondShift), second);
  return bits ^ (bits >>> 16);
}

/** The longest runs of elements that lie one behind the other in the tensor, in the box's order. */
function forEachRun({ start, sizes, strides }: HashedBox, visit: (start: number, elements: number) => void): void {
  const { outer, elements } = runsOf({ sizes, strides });
  const descend = (dimension: number, at: number): void => {
    if (dimension === outer) return visit(at, elements);
    for (let k = 0; k < sizes[dimension]; k++) descend(dimension + 1, at + k * strides[dimension]);
  };
  if (!sizes.includes(0)) descend(0, start);
}

/** The dimensions outside a run, and the elements of a run. */
export function runsOf({ sizes, strides }: Pick<HashedBox, 'sizes' | 'strides'>): {
  readonly outer: number;
  readonly elements: number;
} {
  let [outer, elements] = [sizes.length, 1];
  while (outer > 0 && strides[outer - 1] === elements) elements *= sizes[--outer];
  return { outer, elements };
}

/** The bits of elements as numbers of 32 bits, and how many an element has. */
function wordsOf(block: HostArray): { readonly words: ArrayLike<number>; readonly each: number } {
  if (block instanceof Uint8Array || block instanceof Uint16Array) return { words: block, each: 1 };
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: bytes } = block;
  return { words: new Uint32Array(buffer, byteOffset, byteLength / 4), each: bytes / 4 };
}
