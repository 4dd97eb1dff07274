/** What a rank holds of a global tensor, tile by tile, by bytes: cut out, put back, filled with first values. */
import { contiguousRuns, type Box } from '../checkpoint/box.js';
import type { DType } from '../ir/dtype.js';
import { dtypeBytes } from '../ir/dtype.js';
import { factorsOf, product, sizesOf, type TensorType } from '../ir/type.js';
import { hostArray, type HostArray } from '../engine/host_array.js';
import { fillInitial, type Init, type InitKey } from '../nn/init.js';
import type { Tile } from '../reshard/region.js';

/** A tile as checkpoints name it: a box in the view of the tensor by its factors. */
export const boxOf = (global: TensorType, tile: Tile): Box => ({
  view: sizesOf(global),
  begin: tile.map(([from]) => from),
  end: tile.map(([, to]) => to),
});

export const isWhole = (global: TensorType, tiles: readonly Tile[]): boolean =>
  tiles.length === 1 && factorsOf(global).every(({ size }, i) => tiles[0][i][0] === 0 && tiles[0][i][1] === size);

export const tilesElements = (tiles: readonly Tile[]): number =>
  tiles.reduce((n, tile) => n + product(tile.map(([from, to]) => to - from)), 0);

/** Writes a block, its tiles one behind the other, into the bytes of the whole tensor. */
export function pasteBlock(whole: Uint8Array, global: TensorType, tiles: readonly Tile[], block: Uint8Array): void {
  const bytes = dtypeBytes[global.dtype];
  forEachRun(global, tiles, (start, elements, at) => {
    whole.set(block.subarray(at * bytes, (at + elements) * bytes), start * bytes);
  });
}

/** The bytes of tiles, one behind the other, out of those of the whole tensor. */
export function cutBlock(whole: Uint8Array, global: TensorType, tiles: readonly Tile[]): Uint8Array {
  const bytes = dtypeBytes[global.dtype];
  const block = new Uint8Array(tilesElements(tiles) * bytes);
  forEachRun(global, tiles, (start, elements, at) => {
    block.set(whole.subarray(start * bytes, (start + elements) * bytes), at * bytes);
  });
  return block;
}

/** The block of a parameter's first values: the same elements under any layout. */
export function initialBlock(init: Init, key: InitKey, global: TensorType, tiles: readonly Tile[]): HostArray {
  const values = new Float32Array(tilesElements(tiles));
  forEachRun(global, tiles, (start, elements, at) => {
    fillInitial(values.subarray(at, at + elements), init, key, start);
  });
  if (global.dtype === 'f32') return values;
  const block = hostArray(global.dtype, values.length) as Float64Array;
  block.set(values);
  return block;
}

/** Runs that are contiguous in the tensor, in the order of the tiles: where each begins there and among the tiles' elements. */
function forEachRun(
  global: TensorType,
  tiles: readonly Tile[],
  visit: (start: number, elements: number, at: number) => void,
): void {
  let at = 0;
  for (const tile of tiles) {
    const { runElements, starts } = contiguousRuns(boxOf(global, tile));
    for (const start of starts) {
      visit(start, runElements, at);
      at += runElements;
    }
  }
}

/** Bytes as elements; copied, so that any alignment will do. */
export function elementsFrom(dtype: DType, bytes: Uint8Array): HostArray {
  const array = hostArray(dtype, bytes.byteLength / dtypeBytes[dtype]);
  new Uint8Array(array.buffer).set(bytes);
  return array;
}

export const bytesFrom = (array: HostArray): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
