import { alignmentOf, alignUp, type BufferIndex, type MemoryProblem } from './problem.js';
import { mostOfBuffers, sumsAlong } from './sections.js';

export interface BestFitOptions {
  /** A peak that is good enough: stop there. */
  readonly goalBytes: number;
  /** How many improved orders to try after the given ones. */
  readonly moves: number;
  /** Asked between placements: whether time is up. */
  readonly expired?: () => boolean;
}

export interface BestFitPlacement {
  readonly offsets: Float64Array;
  readonly peakBytes: number;
}

/**
 * Greedy placement: buffers in some order, each into the smallest gap between its placed conflicts that holds it
 * (Pisarchyk & Lee 2020, arXiv:2001.03288, "greedy by size"; here in several orders). Then improvement: a buffer at the
 * very top moves to a random earlier place in the order and the rest is placed again; kept if no higher.
 *
 * Deterministic: the random numbers come from a fixed seed. One placement of 2,000 buffers takes milliseconds.
 */
export function bestFit(
  problem: MemoryProblem,
  { goalBytes, moves, expired = never }: BestFitOptions,
): BestFitPlacement {
  const packer = new Packer(problem);
  let best: BestFitPlacement = { offsets: new Float64Array(problem.buffers.length), peakBytes: Infinity };
  let order: readonly BufferIndex[] = [];
  for (const candidate of startingOrders(problem)) {
    const peakBytes = packer.place(candidate);
    if (peakBytes < best.peakBytes) {
      best = { offsets: packer.offsets.slice(), peakBytes };
      order = candidate;
    }
    if (best.peakBytes <= goalBytes || expired()) return best;
  }

  const random = linearCongruential(7);
  let current = best;
  let lastGain = 0;
  for (let move = 0; move < moves && best.peakBytes > goalBytes && move - lastGain < PATIENCE && !expired(); move++) {
    const next = liftTopmost(problem, order, current, random);
    if (next === null) break;
    const peakBytes = packer.place(next);
    if (peakBytes > current.peakBytes) continue;
    current = { offsets: packer.offsets.slice(), peakBytes };
    order = next;
    if (peakBytes < best.peakBytes) [best, lastGain] = [current, move];
  }
  return best;
}

/** Moves without a lower peak after which best fit gives up. */
const PATIENCE = 100;

/** Orders that do well on different programs, each made when it is asked for; buffers with a given address always come first. */
function* startingOrders({ buffers, timeline, rows }: MemoryProblem): Generator<readonly BufferIndex[]> {
  const bytes = Float64Array.from(buffers, (buffer) => buffer.bytes);
  const width = bytes.map((_, i) => timeline.upper[i] - timeline.lower[i]);
  const area = bytes.map((size, i) => size * width[i]);
  const early = bytes.map((_, i) => -timeline.lower[i]);
  const given = Float64Array.from(buffers, ({ offset }) => (offset === undefined ? 0 : 1));
  const largestFirst = (...keys: readonly Float64Array[]): readonly BufferIndex[] => {
    const all = [given, ...keys];
    const order = (a: BufferIndex, b: BufferIndex): number => {
      for (const key of all) if (key[a] !== key[b]) return key[b] - key[a];
      return a - b;
    };
    return [...buffers.keys()].sort(order);
  };
  yield largestFirst(bytes, width, early);
  yield largestFirst(area, width);
  yield largestFirst(width, bytes);
  const crowds = rows.map((row) => sumsAlong(row, bytes));
  const contention = mostOfBuffers(buffers.length, rows, crowds);
  yield largestFirst(contention, area);
  yield largestFirst(contention, width, area);
  yield largestFirst(early, bytes);
}

/** The order with one of the buffers at the peak moved to an earlier place; null where all of those are fixed or first. */
function liftTopmost(
  { buffers }: MemoryProblem,
  order: readonly BufferIndex[],
  { offsets, peakBytes }: BestFitPlacement,
  random: () => number,
): BufferIndex[] | null {
  const given = buffers.reduce((count, { offset }) => count + (offset === undefined ? 0 : 1), 0);
  const tops: number[] = [];
  for (let at = given + 1; at < order.length; at++) {
    if (offsets[order[at]] + buffers[order[at]].bytes >= peakBytes * 0.999) tops.push(at);
  }
  if (tops.length === 0) return null;
  const from = tops[Math.floor(random() * tops.length)];
  const to = given + Math.floor(random() * (from - given));
  const next = order.slice();
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

/** Places orders one after another, keeping what a new order shares with the last at its beginning. */
class Packer {
  readonly offsets: Float64Array;
  private readonly problem: MemoryProblem;
  private readonly bytes: Float64Array;
  /** What is placed, by ascending address. */
  private placed: Int32Array;
  private count = 0;
  /** For each buffer, the last one that had it as a conflict. */
  private readonly conflictOf: Int32Array;
  private order: readonly BufferIndex[] = [];

  constructor(problem: MemoryProblem) {
    const { buffers } = problem;
    this.problem = problem;
    this.offsets = new Float64Array(buffers.length).fill(-1);
    this.bytes = Float64Array.from(buffers, ({ bytes }) => bytes);
    this.placed = new Int32Array(buffers.length);
    this.conflictOf = new Int32Array(buffers.length);
  }

  /** Places all buffers in this order; returns the peak. */
  place(order: readonly BufferIndex[]): number {
    const { offsets, bytes, problem } = this;
    let kept = 0;
    while (kept < order.length && this.order[kept] === order[kept]) kept++;
    for (let at = kept; at < order.length; at++) offsets[order[at]] = -1;
    this.order = order;
    this.placed.set(this.placed.subarray(0, this.count).filter((i) => offsets[i] >= 0));
    this.count = order.slice(0, kept).reduce((count, i) => count + (bytes[i] > 0 ? 1 : 0), 0);
    this.conflictOf.fill(-1);
    for (let at = kept; at < order.length; at++) {
      const i = order[at];
      offsets[i] = problem.buffers[i].offset ?? this.smallestGap(i);
      if (bytes[i] > 0) this.insert(i);
    }
    let peak = 0;
    for (const i of order) peak = Math.max(peak, offsets[i] + bytes[i]);
    return peak;
  }

  /** The lowest address of the smallest gap between placed conflicts that holds buffer i, else the top of them. */
  private smallestGap(i: BufferIndex): number {
    const { offsets, bytes, problem, placed, count, conflictOf } = this;
    if (bytes[i] === 0) return 0;
    for (const j of problem.neighbours[i]) conflictOf[j] = i;
    const alignment = alignmentOf(problem.buffers[i]);
    let chosen = -1;
    let smallest = Infinity;
    let top = 0;
    for (let k = 0; k < count; k++) {
      const j = placed[k];
      if (conflictOf[j] !== i) continue;
      const start = offsets[j];
      if (start > top) {
        const free = alignUp(top, alignment);
        const gap = start - free;
        if (gap >= bytes[i] && gap < smallest) [chosen, smallest] = [free, gap];
      }
      top = Math.max(top, start + bytes[j]);
    }
    return chosen >= 0 ? chosen : alignUp(top, alignment);
  }

  private insert(i: BufferIndex): void {
    const { offsets, placed } = this;
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offsets[placed[middle]] <= offsets[i]) low = middle + 1;
      else high = middle;
    }
    placed.copyWithin(low + 1, low, this.count++);
    placed[low] = i;
  }
}

function never(): boolean {
  return false;
}

/** Random numbers in [0, 1): Numerical Recipes' 32-bit generator. */
function linearCongruential(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}
