/**
 * The order of elements in a bucket: tensors that are split over the same axes, packed into one flat value of as many elements.
 *
 *   f32[elements=10]{elements:tensor}  =  | w, block 0 | b, block 0 | w, block 1 | b, block 1 |
 *
 * A rank's block is then its own blocks of the tensors, one behind the other, each row-major; and any cut of `elements` within a block
 * is legal, through the middle of a tensor too.
 */
import { canonicalLayout, rangeOf, tileOf, type Layout } from '../ir/layout.js';
import { axesSize, coordinatesAlong, coordinatesOf, type AxisName, type Coordinates, type Mesh } from '../ir/mesh.js';
import { elementsOf, product, sizesOf, tensorType, type TensorType } from '../ir/type.js';
import type { DType } from '../ir/dtype.js';
import {
  boxesOf,
  copyBetween,
  copyRegions,
  shifted,
  tileElements,
  tileSizes,
  type CopyRegion,
  type Tile,
} from '../reshard/region.js';

/** The one factor of a bucket. */
export const elementsFactor = 'elements';

/** A tensor in a bucket: its global type, and the splits under which its blocks are packed. */
export interface PackedTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly layout: Layout;
  /** Zeros that nobody asks for: they make the bucket's shards equal. */
  readonly isPadding?: true;
}

/** A block of a tensor, where it begins in the bucket's elements. */
export interface Piece {
  readonly tensor: PackedTensor;
  readonly tile: Tile;
  readonly start: number;
}

/** A bucket's type, and the layout in which each rank has its own blocks. */
export function packedType(
  m: Mesh,
  dtype: DType,
  tensors: readonly PackedTensor[],
): { readonly type: TensorType; readonly layout: Layout } {
  const pieces = piecesOf(m, tensors);
  const type = tensorType(dtype, { [elementsFactor]: tensors.reduce((n, tensor) => n + elementsOf(tensor.type), 0) });
  const axes = packedAxes(m, tensors);
  if (axes.length === 0) return { type, layout: { splits: {}, partial: {} } };
  const starts = pieces.filter((_, i) => i % tensors.length === 0).map(({ start }) => start);
  const bounds = [...starts, elementsOf(type)];
  return { type, layout: canonicalLayout(m, type, { splits: { [elementsFactor]: { axes, bounds } }, partial: {} }) };
}

/** The axes over which the tensors of a bucket are split, in the mesh's order: the same for all of them. */
export function packedAxes(m: Mesh, [first]: readonly Pick<PackedTensor, 'layout'>[]): readonly AxisName[] {
  const used = new Set(Object.values(first.layout.splits).flatMap((split) => split.axes));
  return m.axes.filter((axis) => axis.size > 1 && used.has(axis.name)).map((axis) => axis.name);
}

/** Every block of every tensor, in the bucket's order: block by block, and in a block tensor by tensor. */
export function piecesOf(m: Mesh, tensors: readonly PackedTensor[]): readonly Piece[] {
  const axes = packedAxes(m, tensors);
  const first = coordinatesOf(m, 0);
  const blocks = Array.from({ length: axesSize(m, axes) }, (_, part): Coordinates => ({
    ...first,
    ...coordinatesAlong(m, axes, part),
  }));
  let start = 0;
  return blocks.flatMap((at) =>
    tensors.map((tensor) => {
      const tile = tileOf(m, tensor.type, tensor.layout, at);
      const piece = { tensor, tile, start };
      start += tileElements(tile);
      return piece;
    }),
  );
}

/** Elements of each block of a bucket. */
export function blocksOf(m: Mesh, tensors: readonly PackedTensor[]): readonly number[] {
  const pieces = piecesOf(m, tensors);
  return Array.from({ length: pieces.length / tensors.length }, (_, block) =>
    pieces
      .slice(block * tensors.length, (block + 1) * tensors.length)
      .reduce((n, { tile }) => n + tileElements(tile), 0),
  );
}

/** What a rank holds of one tensor: boxes of it, whose elements lie one behind the other from element `start` of the rank's block. */
export interface Held {
  readonly name: string;
  readonly type: TensorType;
  readonly boxes: readonly Tile[];
  readonly start: number;
  readonly elements: number;
}

/** The tensors, or parts of them, in the block of a bucket that the rank at `at` holds; padding is none of them. */
export function heldBy(m: Mesh, tensors: readonly PackedTensor[], layout: Layout, at: Coordinates): readonly Held[] {
  const pieces = piecesOf(m, tensors);
  const total = tensors.reduce((n, { type }) => n + elementsOf(type), 0);
  const [from, to] = rangeOf(m, layout.splits[elementsFactor], total, at);
  return pieces.flatMap(({ tensor: { name, type, isPadding }, tile, start }) => {
    const [first, last] = [Math.max(from, start), Math.min(to, start + tileElements(tile))];
    if (first >= last || isPadding) return [];
    const boxes = boxesOf(tile, [first - start, last - start]);
    return [{ name, type, boxes, start: first - from, elements: last - first }];
  });
}

/** The elements of a bucket, from those of its tensors. */
export function pack(m: Mesh, tensors: readonly PackedTensor[], globals: readonly Float64Array[]): Float64Array {
  const packed = new Float64Array(globals.reduce((n, { length }) => n + length, 0));
  for (const { tensor, region } of copiesOf(m, tensors)) {
    copyRegions([region], globals[tensors.indexOf(tensor)], packed);
  }
  return packed;
}

/** The elements of each tensor, from those of the bucket. */
export function unpack(m: Mesh, tensors: readonly PackedTensor[], packed: Float64Array): readonly Float64Array[] {
  const globals = tensors.map(({ type }) => new Float64Array(elementsOf(type)));
  for (const { tensor, region } of copiesOf(m, tensors)) {
    copyRegions([{ sizes: region.sizes, from: region.to, to: region.from }], packed, globals[tensors.indexOf(tensor)]);
  }
  return globals;
}

/** One strided copy a piece, from the tensor to the bucket. */
function copiesOf(m: Mesh, tensors: readonly PackedTensor[]): readonly { tensor: PackedTensor; region: CopyRegion }[] {
  return piecesOf(m, tensors).flatMap(({ tensor, tile, start }) => {
    if (product(tileSizes(tile)) === 0) return [];
    const whole: Tile = sizesOf(tensor.type).map((size) => [0, size] as const);
    const region = copyBetween(whole, tile, tile);
    return [{ tensor, region: { ...region, to: shifted(region.to, start) } }];
  });
}
