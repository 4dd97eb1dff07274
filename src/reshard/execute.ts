/**
 * Layouts and reshards on numbers: every rank of a mesh in one process. The reference engine's collectives, and what tests compare with.
 */
import { neutralOf, reductionOf, tileOf, type Layout, type Reduction } from '../ir/layout.js';
import { coordinatesOf, meshRanks, type Coordinates, type Mesh } from '../ir/mesh.js';
import { factorsOf, sizesOf, type TensorType } from '../ir/type.js';
import { replicasDiffer, wrongBlock } from './diagnostics.js';
import { lowerMove, type LoweredCollective, type LoweredMove } from './lower.js';
import type { Move } from './moves.js';
import { copyBetween, copyRegions, tileElements, type Tile } from './region.js';

/** One block a rank, row-major in the order of the type's factors. */
export type Blocks = readonly Float64Array[];

/** Rounds what an addition gave to the precision of the value's type. */
export type Round = (x: number) => number;

/** The blocks of a global value. A partial value lies whole on the first rank along each partial axis, as after `mask`. */
export function shard(m: Mesh, type: TensorType, layout: Layout, global: Float64Array): Blocks {
  const reduction = reductionOf(layout);
  if (!reduction) return shardPieces(m, type, layout, () => global);
  const rest = new Float64Array(global.length).fill(neutralOf(reduction));
  const axes = Object.keys(layout.partial);
  return shardPieces(m, type, layout, (at) => (axes.every((axis) => !at[axis]) ? global : rest));
}

/** The blocks of a partial value whose pieces are given: `pieceAt` sees coordinates, of which only those of partial axes may matter. */
export function shardPieces(
  m: Mesh,
  type: TensorType,
  layout: Layout,
  pieceAt: (at: Coordinates) => Float64Array,
): Blocks {
  const whole = wholeTile(type);
  return Array.from({ length: meshRanks(m) }, (_, rank) => {
    const at = coordinatesOf(m, rank);
    const tile = tileOf(m, type, layout, at);
    const block = new Float64Array(tileElements(tile));
    copyRegions([copyBetween(whole, tile, tile)], pieceAt(at), block);
    return block;
  });
}

/** The global value of blocks: puts them together and reduces what is partial. Throws where a block's size or a replica is wrong. */
export function unshard(m: Mesh, type: TensorType, layout: Layout, blocks: Blocks): Float64Array {
  const whole = wholeTile(type);
  const reduction = reductionOf(layout) ?? 'sum';
  const partialAxes = m.axes.map((axis) => axis.name).filter((axis) => layout.partial[axis]);
  const pieces = new Map<string, { piece: Float64Array; ranks: Int32Array }>();
  blocks.forEach((block, rank) => {
    const at = coordinatesOf(m, rank);
    const tile = tileOf(m, type, layout, at);
    const expected = tileElements(tile);
    if (block.length !== expected) throw wrongBlock({ type, layout, rank, elements: block.length, expected });
    const key = partialAxes.map((axis) => at[axis]).join();
    const fresh = () => ({ piece: new Float64Array(tileElements(whole)), ranks: new Int32Array(tileElements(whole)) });
    const entry = pieces.get(key) ?? fresh();
    pieces.set(key, entry);
    const { from, to, sizes } = copyBetween(tile, whole, tile);
    forEachElement(sizes, from, to, (i, j) => {
      const first = entry.ranks[j] - 1;
      if (first < 0) [entry.ranks[j], entry.piece[j]] = [rank + 1, block[i]];
      else if (!Object.is(entry.piece[j], block[i])) {
        const values = [entry.piece[j], block[i]] as const;
        throw replicasDiffer({ type, layout, element: printElement(type, j), ranks: [first, rank], values });
      }
    });
  });
  return reduceBlocks(
    reduction,
    [...pieces.values()].map(({ piece }) => piece),
  );
}

/** Sum or maximum of equally long blocks, in their order. */
export function reduceBlocks(reduction: Reduction, blocks: Blocks, round: Round = exact): Float64Array {
  const result = Float64Array.from(blocks[0]);
  for (const block of blocks.slice(1)) {
    for (let i = 0; i < result.length; i++) {
      result[i] = reduction === 'sum' ? round(result[i] + block[i]) : Math.max(result[i], block[i]);
    }
  }
  return result;
}

/** Runs moves one after the other on every rank. `after` sees each move's result. */
export function runPath(
  m: Mesh,
  type: TensorType,
  moves: readonly Move[],
  blocks: Blocks,
  options: { readonly round?: Round; readonly after?: (move: Move, blocks: Blocks) => void } = {},
): Blocks {
  return moves.reduce((before, move) => {
    const result = runMove(m, type, move, before, options.round);
    options.after?.(move, result);
    return result;
  }, blocks);
}

/** Runs one move on every rank. */
export function runMove(m: Mesh, type: TensorType, move: Move, blocks: Blocks, round: Round = exact): Blocks {
  const lowered = blocks.map((_, rank) => lowerMove(m, type, move, coordinatesOf(m, rank)));
  const sent = lowered.map((one, rank) => packed(one, blocks[rank]));
  const received = lowered.map((one, rank) =>
    one.collective ? collect(one.collective, rank, sent, (other) => lowered[other].collective!, round) : sent[rank],
  );
  return lowered.map((one, rank) => unpacked(one, received[rank]));
}

/** What a rank gives to its collective. */
export function packed({ pack, collective }: LoweredMove, block: Float64Array): Float64Array {
  if (!pack || !collective) return block;
  const buffer = new Float64Array(sum(collective.inputCounts));
  copyRegions(pack, block, buffer);
  return buffer;
}

/** A rank's new block, from what its collective gave (or, in a local move, from its old block). */
const unpacked = (lowered: LoweredMove, received: Float64Array): Float64Array =>
  unpackedOver(lowered, received, filled(lowered));

/** A new block before anything is unpacked into it. */
export const filled = ({ fill, outputSizes }: LoweredMove): Float64Array =>
  new Float64Array(outputSizes.reduce((a, b) => a * b, 1)).fill(fill ?? 0);

/** The new block, of what was received and what was there. */
export function unpackedOver({ unpack }: LoweredMove, received: Float64Array, there: Float64Array): Float64Array {
  if (!unpack) return received;
  copyRegions(unpack, received, there);
  return there;
}

/**
 * What one rank receives from a collective. `sent` holds every rank's send buffer and `collectiveOf` what every rank believes it does;
 * reductions go in the order of the group, so that all members get the same bits. Throws a plain Error where members disagree.
 */
export function collect(
  collective: LoweredCollective,
  rank: number,
  sent: Blocks,
  collectiveOf: (rank: number) => LoweredCollective,
  round: Round = exact,
): Float64Array {
  if (collective.kind === 'permute') {
    const source = collectiveOf(collective.receiveFrom);
    if (source.kind !== 'permute' || source.sendTo !== rank) {
      throw new Error(`rank ${rank} waits for rank ${collective.receiveFrom}, which does not send to it`);
    }
    return expectCount(sent[collective.receiveFrom], collective.outputCounts[0], rank, collective.receiveFrom);
  }
  const { kind, group, outputCounts } = collective;
  const me = group.indexOf(rank);
  const runs = group.map((other) => {
    const theirs = collectiveOf(other);
    if (theirs.kind !== kind || theirs.group.join() !== group.join()) {
      throw new Error(
        `ranks ${rank} and ${other} disagree: ${kind} over [${group}], ${theirs.kind} over [${theirs.group}]`,
      );
    }
    return theirs.inputCounts.length === 1 && kind !== 'all_to_all'
      ? sent[other]
      : runOf(sent[other], theirs.inputCounts, me);
  });
  if (kind === 'all_reduce' || kind === 'reduce_scatter') {
    runs.forEach((run, i) => expectCount(run, outputCounts[0], rank, group[i]));
    return reduceBlocks(collective.reduction!, runs, round);
  }
  runs.forEach((run, i) => expectCount(run, outputCounts[i], rank, group[i]));
  const received = new Float64Array(sum(outputCounts));
  let offset = 0;
  for (const run of runs) {
    received.set(run, offset);
    offset += run.length;
  }
  return received;
}

/** `[batch=1, dim=3]` for an element's row-major index. */
export function printElement(type: TensorType, index: number): string {
  const factors = factorsOf(type);
  const parts: string[] = [];
  for (let i = factors.length - 1, rest = index; i >= 0; i--) {
    parts.unshift(`${factors[i].name}=${rest % factors[i].size}`);
    rest = Math.floor(rest / factors[i].size);
  }
  return `[${parts.join(', ')}]`;
}

const exact: Round = (x) => x;

const wholeTile = (type: TensorType): Tile => sizesOf(type).map((size) => [0, size] as const);

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

function runOf(buffer: Float64Array, counts: readonly number[], member: number): Float64Array {
  const start = sum(counts.slice(0, member));
  return buffer.subarray(start, start + counts[member]);
}

function expectCount(run: Float64Array, count: number, rank: number, from: number): Float64Array {
  if (run.length !== count)
    throw new Error(`rank ${rank} expects ${count} elements from rank ${from}, which sends ${run.length}`);
  return run;
}

function forEachElement(
  sizes: readonly number[],
  from: { readonly offset: number; readonly strides: readonly number[] },
  to: { readonly offset: number; readonly strides: readonly number[] },
  visit: (i: number, j: number) => void,
): void {
  const descend = (d: number, i: number, j: number): void => {
    if (d === sizes.length) return visit(i, j);
    for (let k = 0; k < sizes[d]; k++) descend(d + 1, i + k * from.strides[d], j + k * to.strides[d]);
  };
  descend(0, from.offset, to.offset);
}
