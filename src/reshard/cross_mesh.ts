/**
 * A value from one mesh to another: between pipeline stages, whose meshes and layouts may be unlike.
 *
 *   1. at the source, reduce what is partial;
 *   2. every destination block is filled by sends of the tiles that it has in common with source blocks, each element from one rank;
 *   3. at the destination, mask where the layout wanted is partial.
 *
 * Where several source ranks hold a tile the one that has sent least so far sends it, so replicas share the load.
 */
import { replicated, tileOf, type Layout } from '../ir/layout.js';
import { coordinatesOf, meshRanks, type Mesh } from '../ir/mesh.js';
import type { TensorType } from '../ir/type.js';
import { partialAcrossMeshes } from './diagnostics.js';
import type { Blocks } from './execute.js';
import type { Move } from './moves.js';
import { copyBetween, copyRegions, intersect, tileElements, type CopyRegion } from './region.js';
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
  if (Object.keys(from.partial).length + Object.keys(to.partial).length > 0)
    throw partialAcrossMeshes({ type, from, to });
  const holders = distinctTiles(source, from, type);
  const sentElements = new Array<number>(meshRanks(source)).fill(0);
  const transfers: TileTransfer[] = [];
  for (let toRank = 0; toRank < meshRanks(destination); toRank++) {
    const wanted = tileOf(destination, type, to, coordinatesOf(destination, toRank));
    const incoming: TileTransfer[] = [];
    for (const { tile, ranks } of holders) {
      const common = intersect(tile, wanted);
      const elements = tileElements(common);
      if (elements === 0) continue;
      const fromRank = ranks.reduce((a, b) => (sentElements[b] < sentElements[a] ? b : a));
      sentElements[fromRank] += elements;
      incoming.push({ fromRank, toRank, elements, region: copyBetween(tile, wanted, common) });
    }
    transfers.push(...incoming.sort((a, b) => a.fromRank - b.fromRank));
  }
  return transfers;
}

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

/** Source tiles, each with the ranks that hold it, ascending. */
function distinctTiles(m: Mesh, layout: Layout, type: TensorType) {
  const found = new Map<string, { tile: ReturnType<typeof tileOf>; ranks: number[] }>();
  for (let rank = 0; rank < meshRanks(m); rank++) {
    const tile = tileOf(m, type, layout, coordinatesOf(m, rank));
    const entry = found.get(String(tile));
    if (entry) entry.ranks.push(rank);
    else found.set(String(tile), { tile, ranks: [rank] });
  }
  return [...found.values()];
}
