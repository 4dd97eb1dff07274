/** How far what the ranks have of a value is from the value itself. */
import { coordinatesOf, meshRanks } from '../../ir/mesh.js';
import { reductionOf, tileOf } from '../../ir/layout.js';
import { isFloat, type DType } from '../../ir/dtype.js';
import { sizesOf } from '../../ir/type.js';
import { reduceBlocks } from '../../reshard/execute.js';
import { copyBetween, copyRegions, tileElements, type Tile } from '../../reshard/region.js';
import type { Variants } from './rounding.js';
import type { WrittenValue } from './written_values.js';

export interface Distance {
  /** The largest of any element: an absolute difference, or of integers 1 where any is another. */
  readonly largest: number;
  /** Global rank that has it; of a sum over ranks, the first of them. */
  readonly rank: number;
  /** Index in the whole value. */
  readonly element: number;
  readonly exact: number;
  readonly found: number;
}

/** Null where some rank has not written its block. What rounding turns over of integers and masks may be either. */
export function distanceOf(value: WrittenValue, [exact, ...rounded]: Variants): Distance | null {
  const { mesh, firstRank, global, layout, blocks } = value;
  const partial = Object.keys(layout.partial);
  const whole: Tile = sizesOf(global).map((size) => [0, size] as const);
  const places = Float64Array.from(exact, (_, i) => i);
  let worst: Distance | null = null;
  for (let meshRank = 0; meshRank < meshRanks(mesh); meshRank++) {
    const at = coordinatesOf(mesh, meshRank);
    if (partial.some((axis) => at[axis] !== 0)) continue;
    const block = together(value, meshRank);
    if (!block) return null;
    const tile = tileOf(mesh, global, layout, at);
    if (block.length !== tileElements(tile)) return null;
    const cut = (from: Float64Array) => {
      const part = new Float64Array(block.length);
      copyRegions([copyBetween(whole, tile, tile)], from, part);
      return part;
    };
    const [expected, index, turned] = [cut(exact), cut(places), isFloat(global.dtype) ? [] : rounded.map(cut)];
    for (let i = 0; i < block.length; i++) {
      if (turned.some((one) => one[i] === block[i])) continue;
      const largest = elementDistance(global.dtype, block[i], expected[i]);
      if (worst !== null && !(largest > worst.largest)) continue;
      worst = { largest, rank: firstRank + meshRank, element: index[i], exact: expected[i], found: block[i] };
    }
  }
  return worst ?? (blocks.size > 0 ? { largest: 0, rank: firstRank, element: 0, exact: 0, found: 0 } : null);
}

/** A number that is none counts as infinitely far. */
function elementDistance(dtype: DType, found: number, exact: number): number {
  if (Object.is(found, exact) || found === exact) return 0;
  if (!isFloat(dtype)) return 1;
  const distance = Math.abs(found - exact);
  return Number.isNaN(distance) ? Infinity : distance;
}

/** A rank's block; of a value that is a sum over ranks, that of all along its axes. Null where one is missing. */
function together({ mesh, firstRank, layout, blocks }: WrittenValue, meshRank: number): Float64Array | null {
  const own = coordinatesOf(mesh, meshRank);
  const reduction = reductionOf(layout);
  if (!reduction) return blocks.get(firstRank + meshRank)?.block ?? null;
  const parts: Float64Array[] = [];
  for (let other = 0; other < meshRanks(mesh); other++) {
    const at = coordinatesOf(mesh, other);
    if (mesh.axes.some(({ name }) => !layout.partial[name] && at[name] !== own[name])) continue;
    const block = blocks.get(firstRank + other)?.block;
    if (!block) return null;
    parts.push(block);
  }
  return reduceBlocks(reduction, parts);
}
