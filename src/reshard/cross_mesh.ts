/**
 * A value from one mesh to another: between pipeline stages, whose meshes and layouts may be unlike.
 *
 *   1. at the source, reduce what is partial;
 *   2. every destination block is filled by sends of the tiles that it has in common with source blocks, each element from one rank;
 *   3. at the destination, mask where the layout wanted is partial.
 *
 * Which of the source ranks that hold a tile sends it is a function of coordinates, known to each end without the others: on the axes
 * that say nothing about the tile it has the receiver's coordinates, as far as the receiver's mesh has axes of these names and sizes; on
 * the rest receivers take turns, so that replicas share the load.
 */
import { boundAt, partAt, placeOf, replicated, sameLayout, tileOf, type Layout, type Split } from '../ir/layout.js';
import {
  axesSize,
  coordinatesAlong,
  coordinatesOf,
  meshRanks,
  partIndex,
  printMesh,
  rankAt,
  type AxisName,
  type Coordinates,
  type Mesh,
} from '../ir/mesh.js';
import { factorsOf, type TensorType } from '../ir/type.js';
import { partialAcrossMeshes } from './diagnostics.js';
import type { Blocks } from './execute.js';
import type { Move } from './moves.js';
import { copyBetween, copyRegions, intersect, tileElements, tileSizes, type CopyRegion } from './region.js';
import type { ReshardSearch } from './search.js';

/** One message, from block to block: ranks count within their own meshes. */
export interface TileTransfer {
  readonly fromRank: number;
  readonly toRank: number;
  readonly elements: number;
  /** From the sender's block (`from`) to the receiver's (`to`). A side that is no run is packed, or unpacked, in row-major order. */
  readonly region: CopyRegion;
}

export interface CrossMeshPlan {
  readonly before: readonly Move[];
  /** The layout in which the value leaves; the one in which it arrives. */
  readonly sent: Layout;
  readonly received: Layout;
  /** Ordered by receiver, then sender: senders and receivers that keep this order pairwise match. */
  readonly transfers: readonly TileTransfer[];
  readonly after: readonly Move[];
}

/** A whole crossing: moves at the source, messages, moves at the destination. */
export function crossMeshPlan(
  source: ReshardSearch,
  from: Layout,
  destination: ReshardSearch,
  to: Layout,
  type: TensorType,
): CrossMeshPlan {
  const sent: Layout = { splits: from.splits, partial: replicated.partial };
  const received: Layout = { splits: to.splits, partial: replicated.partial };
  return {
    before: source.require(type, from, sent),
    sent,
    received,
    transfers: tileTransfers(source.mesh, sent, destination.mesh, received, type),
    after: destination.require(type, received, to),
  };
}

/** The messages that fill every destination block exactly once. Neither layout may be partial. */
export function tileTransfers(
  source: Mesh,
  from: Layout,
  destination: Mesh,
  to: Layout,
  type: TensorType,
): readonly TileTransfer[] {
  const crossing = new Crossing(source, from, destination, to, type);
  return Array.from({ length: meshRanks(destination) }, (_, rank) =>
    crossing.incoming(coordinatesOf(destination, rank)),
  ).flat();
}

/** The messages of single ranks: the work of asking does not grow with the meshes, but with what a rank sends or receives. */
export class Crossing {
  private readonly source: Mesh;
  private readonly from: Layout;
  private readonly destination: Mesh;
  private readonly to: Layout;
  private readonly type: TensorType;
  /** Axes of the source along which ranks hold the same: those that follow the receiver, and those that take turns. */
  private readonly following: readonly AxisName[];
  private readonly turning: readonly AxisName[];
  /** Axes of the destination by which receivers take turns. */
  private readonly turns: readonly AxisName[];
  /** Between equal meshes that hold the value alike each rank has one peer, at its own coordinates. */
  private readonly toItself: boolean;
  /** Of such messages, the copies of whole blocks, by their sizes. */
  private readonly copies = new Map<string, CopyRegion>();

  constructor(source: Mesh, from: Layout, destination: Mesh, to: Layout, type: TensorType) {
    if (Object.keys(from.partial).length + Object.keys(to.partial).length > 0)
      throw partialAcrossMeshes({ type, from, to });
    this.source = source;
    this.from = from;
    this.destination = destination;
    this.to = to;
    this.type = type;
    const splitting = new Set(Object.values(from.splits).flatMap(({ axes }) => axes));
    const free = source.axes.filter(({ name }) => !splitting.has(name));
    const follows = (axis: { readonly name: AxisName; readonly size: number }) =>
      destination.axes.some(({ name, size }) => name === axis.name && size === axis.size);
    this.following = free.filter(follows).map(({ name }) => name);
    this.turning = free.filter((axis) => !follows(axis)).map(({ name }) => name);
    this.turns = destination.axes.map(({ name }) => name).filter((name) => !this.following.includes(name));
    this.toItself = printMesh(source) === printMesh(destination) && sameLayout(from, to);
  }

  /** What the destination rank at `at` receives, by sender. */
  incoming(at: Coordinates): readonly TileTransfer[] {
    if (this.toItself) return this.own(at);
    const wanted = tileOf(this.destination, this.type, this.to, at);
    const toRank = rankAt(this.destination, at);
    return holdersOf(this.source, this.from, this.type, wanted)
      .map((holder) => this.transfer({ ...holder, ...this.sender(at) }, wanted, toRank))
      .sort((a, b) => a.fromRank - b.fromRank);
  }

  /** What the source rank at `at` sends, by receiver. */
  outgoing(at: Coordinates): readonly TileTransfer[] {
    if (this.toItself) return this.own(at);
    const held = tileOf(this.source, this.type, this.from, at);
    const splitting = new Set(Object.values(this.to.splits).flatMap(({ axes }) => axes));
    const same = Object.fromEntries(this.following.map((axis) => [axis, at[axis]]));
    // Along the other axes that say nothing about the block every rank wants it.
    const others = this.turns.filter((axis) => !splitting.has(axis));
    return holdersOf(this.destination, this.to, this.type, held, same)
      .flatMap((receiver) => everyPart(this.destination, others).map((rest) => ({ ...same, ...rest, ...receiver })))
      .filter((receiver) => Object.entries(this.sender(receiver)).every(([axis, index]) => at[axis] === index))
      .map((receiver) => {
        const wanted = tileOf(this.destination, this.type, this.to, receiver);
        return this.transfer(at, wanted, rankAt(this.destination, receiver));
      })
      .sort((a, b) => a.toRank - b.toRank);
  }

  /** The one message of a rank with the rank of its own coordinates, both ways. */
  private own(at: Coordinates): readonly TileTransfer[] {
    const tile = tileOf(this.source, this.type, this.from, at);
    const elements = tileElements(tile);
    if (elements === 0) return [];
    const sizes = tileSizes(tile).join(' ');
    const region = this.copies.get(sizes) ?? copyBetween(tile, tile, tile);
    this.copies.set(sizes, region);
    const rank = rankAt(this.source, at);
    return [{ fromRank: rank, toRank: rank, elements, region }];
  }

  /** The coordinates of the sender, for a receiver, on the axes that say nothing about the tile. */
  private sender(receiver: Coordinates): Coordinates {
    const same = Object.fromEntries(this.following.map((axis) => [axis, receiver[axis]]));
    const turn = partIndex(this.destination, this.turns, receiver) % axesSize(this.source, this.turning);
    return { ...same, ...coordinatesAlong(this.source, this.turning, turn) };
  }

  private transfer(sender: Coordinates, wanted: ReturnType<typeof tileOf>, toRank: number): TileTransfer {
    const tile = tileOf(this.source, this.type, this.from, sender);
    const common = intersect(tile, wanted);
    return {
      fromRank: rankAt(this.source, sender),
      toRank,
      elements: tileElements(common),
      region: copyBetween(tile, wanted, common),
    };
  }
}

/**
 * Coordinates, on the axes that split it, of the blocks of a layout that have elements in common with a tile; of those only that have
 * the `fixed` ones, where some are.
 */
function holdersOf(
  m: Mesh,
  layout: Layout,
  type: TensorType,
  tile: ReturnType<typeof tileOf>,
  fixed: Coordinates = {},
): readonly Coordinates[] {
  let found: readonly Coordinates[] = [{}];
  for (const [k, { name, size }] of factorsOf(type).entries()) {
    const [first, last] = tile[k];
    if (first >= last) return [];
    const split = layout.splits[name];
    if (!split || split.axes.length === 0) continue;
    const only = split.axes.every((axis) => axis in fixed) ? partAt(m, split, fixed) : null;
    const parts = partsWithin(m, split, size, [first, last], only).map((part) => placeOf(m, split, part));
    found = found.flatMap((one) => parts.map((part) => ({ ...one, ...part })));
  }
  return found;
}

/** The parts of a split that have elements of a range; `only`: of this part, whether it has. */
function partsWithin(
  m: Mesh,
  split: Split,
  size: number,
  [from, to]: readonly [number, number],
  only: number | null,
): readonly number[] {
  const start = (part: number) => boundAt(m, split, size, part);
  if (only !== null) return Math.max(start(only), from) < Math.min(start(only + 1), to) ? [only] : [];
  const count = axesSize(m, split.axes);
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start(middle + 1) <= from) low = middle + 1;
    else high = middle;
  }
  const found: number[] = [];
  for (let part = low; part < count && start(part) < to; part++) if (start(part + 1) > start(part)) found.push(part);
  return found;
}

const everyPart = (m: Mesh, axes: readonly AxisName[]): readonly Coordinates[] =>
  Array.from({ length: axesSize(m, axes) }, (_, index) => coordinatesAlong(m, axes, index));

/** Performs transfers: the destination's blocks from the source's. */
export function runTransfers(
  transfers: readonly TileTransfer[],
  blocks: Blocks,
  destination: Mesh,
  to: Layout,
  type: TensorType,
): Blocks {
  const filled = Array.from({ length: meshRanks(destination) }, (_, rank) => {
    const tile = tileOf(destination, type, to, coordinatesOf(destination, rank));
    // Not a number until written: a hole shows.
    return new Float64Array(tileElements(tile)).fill(NaN);
  });
  for (const { fromRank, toRank, region } of transfers) copyRegions([region], blocks[fromRank], filled[toRank]);
  return filled;
}
