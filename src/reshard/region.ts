/**
 * Strided boxes of memory: what a rank copies before and after a collective.
 *
 * Blocks lie row-major in the order of the type's factors. All numbers are in elements.
 */

/** Half-open ranges, one a factor: a box of a global value. */
export type Tile = readonly (readonly [number, number])[];

/** One side of a copy. */
export interface Side {
  readonly offset: number;
  readonly strides: readonly number[];
}

/** A box of `sizes` copied between two strided places. Without dimensions it is one element. */
export interface CopyRegion {
  readonly sizes: readonly number[];
  readonly from: Side;
  readonly to: Side;
}

export const tileElements = (tile: Tile): number => tile.reduce((n, [from, to]) => n * (to - from), 1);

export const tileSizes = (tile: Tile): readonly number[] => tile.map(([from, to]) => to - from);

/** The common box of two; it may be empty. */
export const intersect = (a: Tile, b: Tile): Tile =>
  a.map(([from, to], i) => {
    const start = Math.max(from, b[i][0]);
    return [start, Math.max(start, Math.min(to, b[i][1]))] as const;
  });

/** The boxes that a run of a box's elements, counted row-major, consists of, in order: at most twice as many as it has dimensions. */
export function boxesOf(box: Tile, [from, to]: readonly [number, number]): readonly Tile[] {
  if (from >= to) return [];
  if (box.length === 0) return [[]];
  const [[begin], ...rest] = box;
  const inner = tileElements(rest);
  const within = (index: number, run: readonly [number, number]) =>
    boxesOf(rest, run).map((tile): Tile => [[begin + index, begin + index + 1], ...tile]);
  const [first, last] = [Math.floor(from / inner), Math.floor(to / inner)];
  if (first === last) return within(first, [from - first * inner, to - first * inner]);
  const head = from % inner === 0 ? [] : within(first, [from % inner, inner]);
  const start = head.length > 0 ? first + 1 : first;
  const middle: readonly Tile[] = start < last ? [[[begin + start, begin + last], ...rest]] : [];
  return [...head, ...middle, ...within(last, [0, to % inner])];
}

/** Where the box `part` lies in a row-major block that holds the box `block`, which contains it. */
export function placeIn(block: Tile, part: Tile): Side {
  const strides = new Array<number>(block.length);
  let offset = 0;
  for (let i = block.length - 1, stride = 1; i >= 0; i--) {
    strides[i] = stride;
    offset += (part[i][0] - block[i][0]) * stride;
    stride *= block[i][1] - block[i][0];
  }
  return { offset, strides };
}

/** The copy of the box `part` from a block that holds `source` to one that holds `destination`. */
export const copyBetween = (source: Tile, destination: Tile, part: Tile): CopyRegion =>
  simplify({ sizes: tileSizes(part), from: placeIn(source, part), to: placeIn(destination, part) });

/** A side moved by whole elements: a block that starts within a larger buffer. */
export const shifted = (side: Side, elements: number): Side => ({ ...side, offset: side.offset + elements });

/** The same copy with as few dimensions as possible: those of one element dropped, those contiguous on both sides joined. */
export function simplify({ sizes, from, to }: CopyRegion): CopyRegion {
  const kept: { size: number; from: number; to: number }[] = [];
  sizes.forEach((size, i) => {
    if (size === 1) return;
    const outer = kept.at(-1);
    if (outer && outer.from === size * from.strides[i] && outer.to === size * to.strides[i]) {
      kept[kept.length - 1] = { size: outer.size * size, from: from.strides[i], to: to.strides[i] };
    } else kept.push({ size, from: from.strides[i], to: to.strides[i] });
  });
  return {
    sizes: kept.map((d) => d.size),
    from: { offset: from.offset, strides: kept.map((d) => d.from) },
    to: { offset: to.offset, strides: kept.map((d) => d.to) },
  };
}

/** Regions that repeat at equal distances, as one region with a dimension more: one strided copy for a kernel. */
export function fold(regions: readonly CopyRegion[]): readonly CopyRegion[] {
  const filled = regions.filter((r) => r.sizes.every((size) => size > 0));
  if (filled.length < 2) return filled;
  const [first, second] = filled;
  const step = { from: second.from.offset - first.from.offset, to: second.to.offset - first.to.offset };
  const repeats = filled.every(
    (r, i) =>
      r.sizes.join() === first.sizes.join() &&
      r.from.strides.join() === first.from.strides.join() &&
      r.to.strides.join() === first.to.strides.join() &&
      r.from.offset === first.from.offset + i * step.from &&
      r.to.offset === first.to.offset + i * step.to,
  );
  // Distances of zero or below are left alone: libraries refuse negative strides.
  if (!repeats || step.from <= 0 || step.to <= 0) return filled;
  return [
    simplify({
      sizes: [filled.length, ...first.sizes],
      from: { offset: first.from.offset, strides: [step.from, ...first.from.strides] },
      to: { offset: first.to.offset, strides: [step.to, ...first.to.strides] },
    }),
  ];
}

/** True where the copies change nothing but the buffer: every region is a run that keeps its place, and nothing of `elements` is left out. */
export function isIdentity(regions: readonly CopyRegion[], elements: number): boolean {
  const inPlace = (r: CopyRegion) => isRun(r, 'from') && isRun(r, 'to') && r.from.offset === r.to.offset;
  return regions.every(inPlace) && regions.reduce((n, r) => n + regionElements(r), 0) === elements;
}

/** True where one side of a simplified region is a contiguous run: it can be a view instead of a copy. */
export const isRun = (region: CopyRegion, side: 'from' | 'to'): boolean => {
  let expected = 1;
  for (let i = region.sizes.length - 1; i >= 0; i--) {
    if (region.sizes[i] !== 1 && region[side].strides[i] !== expected) return false;
    expected *= region.sizes[i];
  }
  return true;
};

export const regionElements = (region: CopyRegion): number => region.sizes.reduce((a, b) => a * b, 1);

/** Performs the copies. */
export function copyRegions(regions: readonly CopyRegion[], source: Float64Array, destination: Float64Array): void {
  for (const { sizes, from, to } of regions) {
    if (sizes.some((size) => size === 0)) continue;
    const index = sizes.map(() => 0);
    let [a, b] = [from.offset, to.offset];
    for (;;) {
      destination[b] = source[a];
      let d = sizes.length - 1;
      for (; d >= 0; d--) {
        a += from.strides[d];
        b += to.strides[d];
        if (++index[d] < sizes[d]) break;
        index[d] = 0;
        a -= sizes[d] * from.strides[d];
        b -= sizes[d] * to.strides[d];
      }
      if (d < 0) break;
    }
  }
}
