/**
 * Moves as what one rank does: pack into a send buffer, one collective on contiguous buffers, unpack.
 *
 *   block ──pack──▶ send buffer ──collective──▶ receive buffer ──unpack──▶ block
 *
 * Where `pack` is null the block itself is the send buffer; where `unpack` is null the receive buffer is the new block; a move without
 * a collective copies from block to block by `unpack`, and where that is null too the block stays as it is. Buffers hold one run for
 * each member of the group, in the group's order, which is ascending by rank: a set of axes needs one communicator only.
 *
 * The program lowering, the reference engine and the simulator all read this one description.
 */
import { neutralOf, splitsEvenly, tileOf, turnOf, type Layout, type Reduction, type Split } from '../ir/layout.js';
import {
  axesSize,
  coordinatesAlong,
  coordinatesOf,
  groupOf,
  partIndex,
  rankAt,
  type AxisName,
  type Coordinates,
  type Mesh,
} from '../ir/mesh.js';
import { factorsOf, type TensorType } from '../ir/type.js';
import type { Move } from './moves.js';
import {
  copyBetween,
  fold,
  intersect,
  isIdentity,
  tileElements,
  tileSizes,
  type CopyRegion,
  type Tile,
} from './region.js';

/** A collective over buffers; counts are elements, one a member of the group, exact where they are uneven. */
export type LoweredCollective =
  | {
      readonly kind: 'all_gather' | 'reduce_scatter' | 'all_reduce' | 'all_to_all';
      /** Ranks within the mesh, ascending. */
      readonly group: readonly number[];
      /** What this rank gives to each member; all_gather and all_reduce give every member the same `inputCounts[0]`. */
      readonly inputCounts: readonly number[];
      /** What this rank gets from each member; reduce_scatter and all_reduce get one reduced `outputCounts[0]`. */
      readonly outputCounts: readonly number[];
      readonly reduction?: Reduction;
    }
  | {
      readonly kind: 'permute';
      readonly group: readonly number[];
      /** Ranks within the mesh; a rank may send to itself. */
      readonly sendTo: number;
      readonly receiveFrom: number;
      readonly inputCounts: readonly [number];
      readonly outputCounts: readonly [number];
    };

export interface LoweredMove {
  /** Sizes of this rank's block, one a factor of the type: before and after. */
  readonly inputSizes: readonly number[];
  readonly outputSizes: readonly number[];
  readonly pack: readonly CopyRegion[] | null;
  readonly collective: LoweredCollective | null;
  readonly unpack: readonly CopyRegion[] | null;
  /** What the new block holds where nothing is unpacked: the reduction's neutral element; null where everything is. */
  readonly fill: number | null;
}

/** True where some of these ranks get neutral elements from a move, which no other rank sends: it has a fill before its unpack. */
export const fills = (move: Move, ranks: readonly Coordinates[]): boolean =>
  move.kind === 'pad' || (move.kind === 'mask' && ranks.some((at) => !keepsOwn(move, at)));

/** The maximum of equal values is that value: only for sums all but one rank put zero in place of their own. */
const keepsOwn = ({ reduction, axes }: Move, at: Coordinates): boolean =>
  reduction === 'max' || axes.every((axis) => at[axis] === 0);

/** What the rank at `at` does for a move of a value of `type`. */
export function lowerMove(m: Mesh, type: TensorType, move: Move, at: Coordinates): LoweredMove {
  const before = tileOf(m, type, move.from, at);
  const after = tileOf(m, type, move.to, at);
  const sizes = { inputSizes: tileSizes(before), outputSizes: tileSizes(after) };
  switch (move.kind) {
    case 'slice':
      return { ...sizes, pack: null, collective: null, unpack: local(before, after), fill: null };
    case 'pad':
      return { ...sizes, pack: null, collective: null, unpack: local(before, after), fill: neutralOf(move.reduction!) };
    case 'mask': {
      const keeps = keepsOwn(move, at);
      return { ...sizes, pack: null, collective: null, unpack: keeps ? null : [], fill: keeps ? null : 0 };
    }
    case 'all_reduce': {
      const counts = [tileElements(before)];
      const group = groupOf(m, move.axes, at);
      const collective = {
        kind: move.kind,
        group,
        inputCounts: counts,
        outputCounts: counts,
        reduction: move.reduction,
      };
      return { ...sizes, pack: null, collective, unpack: null, fill: null };
    }
    case 'permute':
      return { ...sizes, pack: null, collective: permutation(m, type, move, at), unpack: null, fill: null };
    default:
      return { ...sizes, ...exchange(m, type, move, at, before, after), fill: null };
  }
}

/**
 * Of these ranks, enough to tell what a move makes of all. Ranks differ in their places along uneven splits, a mask in who keeps its own,
 * and an exchange block by block in their places among those who exchange; other places say only where blocks lie.
 */
export function unlikeRanks(
  m: Mesh,
  type: TensorType,
  move: Move,
  ranks: readonly Coordinates[],
): readonly Coordinates[] {
  const uneven = [move.from, move.to].flatMap(({ splits }) =>
    Object.entries(splits).flatMap(([factor, split]) =>
      splitsEvenly(m, type, { splits: { [factor]: split }, partial: {} }) ? [] : split.axes,
    ),
  );
  const byBlock = move.kind === 'all_to_all' || move.kind === 'permute';
  const axes = [...new Set([...uneven, ...(byBlock ? move.axes : [])])];
  const keeps = (at: Coordinates) => move.kind !== 'mask' || move.axes.every((axis) => at[axis] === 0);
  const unlike = new Map<string, Coordinates>();
  for (const at of ranks) {
    const key = `${axes.map((axis) => at[axis]).join(' ')} ${keeps(at)}`;
    if (!unlike.has(key)) unlike.set(key, at);
  }
  return [...unlike.values()];
}

/** all_gather, reduce_scatter and all_to_all: what each pair of members has in common decides everything. */
function exchange(m: Mesh, type: TensorType, move: Move, at: Coordinates, before: Tile, after: Tile) {
  const group = groupOf(m, move.axes, at);
  const members = group.map((rank) => coordinatesOf(m, rank));
  // A member sends to those that agree with it along the axes over which it is a replica: every element then comes from one rank.
  const replicas = move.axes.filter((axis) => !uses(move.from, axis));
  const serves = (other: Coordinates) => replicas.every((axis) => other[axis] === at[axis]);
  const given = members.map((other) => part(before, tileOf(m, type, move.to, other), serves(other)));
  const taken = members.map((other) => part(tileOf(m, type, move.from, other), after, serves(other)));

  const own = tileElements(before);
  const result = tileElements(after);
  const gathers = move.kind === 'all_gather';
  const reduces = move.kind === 'reduce_scatter';
  const pack = gathers
    ? null
    : concatenated(given, (tile, offset) => withSide(copyBetween(before, tile, tile), 'to', offset));
  const unpack = reduces
    ? null
    : concatenated(taken, (tile, offset) => withSide(copyBetween(tile, after, tile), 'from', offset));
  return {
    pack: pack && !isIdentity(pack, own) ? pack : null,
    collective: {
      kind: move.kind as 'all_gather' | 'reduce_scatter' | 'all_to_all',
      group,
      inputCounts: gathers ? [own] : given.map(tileElements),
      outputCounts: reduces ? [result] : taken.map(tileElements),
      ...(reduces ? { reduction: move.reduction } : {}),
    },
    unpack: unpack && !isIdentity(unpack, result) ? unpack : null,
  };
}

/**
 * Blocks change ranks. Listing the axes by role (each factor's splits, then partial, then free), a rank with index i under the old
 * roles sends to the one that has index i under the new ones. Where a split is turned by n places, a block goes back by as many.
 */
function permutation(m: Mesh, type: TensorType, move: Move, at: Coordinates): LoweredCollective {
  const turn = turnBetween(type, move);
  if (turn) return turning(m, type, move, at, turn);
  const order = (layout: Layout): readonly AxisName[] => {
    const split = factorsOf(type).flatMap((f) => layout.splits[f.name]?.axes ?? []);
    const partial = m.axes.map((axis) => axis.name).filter((axis) => layout.partial[axis]);
    const used = [...split, ...partial].filter((axis) => move.axes.includes(axis));
    return [...used, ...move.axes.filter((axis) => !used.includes(axis))];
  };
  const [old, now] = [order(move.from), order(move.to)];
  const elements = tileElements(tileOf(m, type, move.from, at));
  return {
    kind: 'permute',
    group: groupOf(m, move.axes, at),
    sendTo: rankWith(m, now, partIndex(m, old, at), at),
    receiveFrom: rankWith(m, old, partIndex(m, now, at), at),
    inputCounts: [elements],
    outputCounts: [tileElements(tileOf(m, type, move.to, at))],
  };
}

/** The split whose turn a permute changes, and by how much; null where it changes none. */
function turnBetween({ dims }: TensorType, { from, to }: Move): { readonly split: Split; readonly by: number } | null {
  for (const dim of dims) {
    for (const { name } of dim) {
      const [before, after] = [from.splits[name], to.splits[name]];
      if (before && after && turnOf(before) !== turnOf(after))
        return { split: before, by: turnOf(after) - turnOf(before) };
    }
  }
  return null;
}

function turning(
  m: Mesh,
  type: TensorType,
  move: Move,
  at: Coordinates,
  { split: { axes }, by }: { readonly split: Split; readonly by: number },
): LoweredCollective {
  const parts = axesSize(m, axes);
  const place = partIndex(m, axes, at);
  const rankBy = (places: number) => rankWith(m, axes, (place + places + parts) % parts, at);
  return {
    kind: 'permute',
    group: groupOf(m, move.axes, at),
    sendTo: rankBy(-by % parts),
    receiveFrom: rankBy(by % parts),
    inputCounts: [tileElements(tileOf(m, type, move.from, at))],
    outputCounts: [tileElements(tileOf(m, type, move.to, at))],
  };
}

/** The rank whose index over `axes` is `index` and that agrees with `at` elsewhere. */
const rankWith = (m: Mesh, axes: readonly AxisName[], index: number, at: Coordinates): number =>
  rankAt(m, { ...at, ...coordinatesAlong(m, axes, index) });

/** Block to block within a rank; null where nothing changes. */
function local(before: Tile, after: Tile): readonly CopyRegion[] | null {
  const common = intersect(before, after);
  const regions = fold([copyBetween(before, after, common)]);
  const same = tileElements(before) === tileElements(after) && isIdentity(regions, tileElements(after));
  return same ? null : regions;
}

/** Regions between a block and a buffer that holds the tiles one after the other. */
function concatenated(
  tiles: readonly Tile[],
  region: (tile: Tile, offset: number) => CopyRegion,
): readonly CopyRegion[] {
  let offset = 0;
  const regions = tiles.map((tile) => {
    const made = region(tile, offset);
    offset += tileElements(tile);
    return made;
  });
  return fold(regions);
}

const withSide = (region: CopyRegion, side: 'from' | 'to', offset: number): CopyRegion => ({
  ...region,
  [side]: { ...region[side], offset: region[side].offset + offset },
});

/** What two boxes have in common, or nothing. */
const part = (a: Tile, b: Tile, wanted: boolean): Tile =>
  wanted ? intersect(a, b) : a.map(([from]) => [from, from] as const);

const uses = (layout: Layout, axis: AxisName): boolean =>
  axis in layout.partial || Object.values(layout.splits).some((split) => split.axes.includes(axis));
