/** A rank's block of a global tensor, by bytes: cut out, put back, filled with first values. */
import { contiguousRuns, type Tile as Box } from '../checkpoint/tile.js';
import type { DType } from '../ir/dtype.js';
import { dtypeBytes } from '../ir/dtype.js';
import { factorsOf, sizesOf, type TensorType } from '../ir/type.js';
import { hostArray, type HostArray } from '../engine/host_array.js';
import { fillInitial, type Init, type InitKey } from '../nn/init.js';

/** One half-open range a factor, in the type's order. */
export type Tile = readonly (readonly [from: number, to: number])[];

/** A tile as checkpoints name it: a box in the view of the tensor by its factors. */
export const boxOf = (global: TensorType, tile: Tile): Box => ({
  view: sizesOf(global),
  begin: tile.map(([from]) => from),
  end: tile.map(([, to]) => to),
});

export const isWhole = (global: TensorType, tile: Tile): boolean =>
  factorsOf(global).every(({ size }, i) => tile[i][0] === 0 && tile[i][1] === size);

/** Writes a block into the bytes of the whole tensor. */
export function pasteBlock(whole: Uint8Array, global: TensorType, tile: Tile, block: Uint8Array): void {
  const { runElements, starts } = contiguousRuns(boxOf(global, tile));
  const bytes = dtypeBytes[global.dtype];
  starts.forEach((start, run) => {
    whole.set(block.subarray(run * runElements * bytes, (run + 1) * runElements * bytes), start * bytes);
  });
}

/** The block of a parameter's first values: the same elements under any layout. */
export function initialBlock(init: Init, key: InitKey, global: TensorType, tile: Tile): HostArray {
  const { runElements, starts } = contiguousRuns(boxOf(global, tile));
  const values = new Float32Array(runElements * starts.length);
  starts.forEach((start, run) => {
    fillInitial(values.subarray(run * runElements, (run + 1) * runElements), init, key, start);
  });
  if (global.dtype === 'f32') return values;
  const block = hostArray(global.dtype, values.length) as Float64Array;
  block.set(values);
  return block;
}

/** Bytes as elements; copied, so that any alignment will do. */
export function elementsFrom(dtype: DType, bytes: Uint8Array): HostArray {
  const array = hostArray(dtype, bytes.byteLength / dtypeBytes[dtype]);
  new Uint8Array(array.buffer).set(bytes);
  return array;
}

export const bytesFrom = (array: HostArray): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
