/** Hashes of a run's state, tensor by tensor: the same under any plan. */
import { hashWords } from '../engine/content_hash.js';
import type { HashedBlock, LoadedProgram } from '../engine/engine.js';
import { sizesOf } from '../ir/type.js';
import { placeIn, tileElements, tileSizes, type Tile } from '../reshard/region.js';
import type { StateTensor } from './state.js';

/** Tensors whose state is hashed, and what of them some ranks stand for. */
export interface HashedState {
  readonly names: readonly string[];
  readonly blocks: readonly (readonly HashedBlock[])[];
}

/** In the order of names. What several ranks hold the lowest of them hashes: over all ranks each element counts once. */
export function hashedState(tensors: readonly StateTensor[], ranks: readonly number[]): HashedState {
  const ordered = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { names: ordered.map(({ name }) => name), blocks: ordered.map((tensor) => blocksOf(tensor, ranks)) };
}

function blocksOf({ global, parts }: StateTensor, ranks: readonly number[]): readonly HashedBlock[] {
  const whole = sizesOf(global).map((size) => [0, size] as const);
  return parts
    .filter(({ rank }) => ranks.includes(rank))
    .flatMap(({ rank, tiles, value, elements }) => {
      let at = 0;
      return tiles.map((tile: Tile): HashedBlock => {
        const { offset: start, strides } = placeIn(whole, tile);
        const box = { at, start, sizes: tileSizes(tile), strides };
        at += tileElements(tile);
        return { place: { rank, name: value, elements }, box };
      });
    });
}

/** The hashes of these blocks, as text of eight bytes a tensor. */
export const stateHashes = async (program: LoadedProgram, { blocks }: HashedState): Promise<string> =>
  hashText(await program.hash(blocks));

export const hashText = ({ buffer, byteOffset, byteLength }: Uint32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

/** Words of `count` hashes; null where the text has others. */
export function parseHashes(text: string, count: number): Uint32Array | null {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return bytes.length === count * hashWords * 4 ? new Uint32Array(bytes.buffer) : null;
}
