import { alignmentOf, alignUp, type BufferIndex, type MemoryProblem } from './problem.js';

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

/** Orders that do well on different programs; buffers with a given address always come first. */
function startingOrders({ buffers, timeline, sections, sectionsOf }: MemoryProblem): BufferIndex[][] {
  const crowd = sections.map(({ members }) => members.reduce((sum, i) => sum + buffers[i].bytes, 0));
  const bytes = buffers.map((buffer) => buffer.bytes);
  const width = buffers.map((_, i) => timeline.upper[i] - timeline.lower[i]);
  const area = buffers.map((_, i) => bytes[i] * width[i]);
  const contention = buffers.map((_, i) => sectionsOf[i].reduce((most, s) => Math.max(most, crowd[s]), 0));
  const early = buffers.map((_, i) => -timeline.lower[i]);
  const given = buffers.map(({ offset }) => (offset === undefined ? 0 : 1));
  const largestFirst = (...keys: readonly (readonly number[])[]) =>
    [...buffers.keys()].sort((a, b) => {
      for (const key of [given, ...keys]) if (key[a] !== key[b]) return key[b] - key[a];
      return a - b;
    });
  return [
    largestFirst(bytes, width, early),
    largestFirst(area, width),
    largestFirst(width, bytes),
    largestFirst(contention, area),
    largestFirst(contention, width, area),
    largestFirst(early, bytes),
  ];
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
  private readonly starts: Float64Array;
  private readonly ends: Float64Array;
  private order: readonly BufferIndex[] = [];

  constructor(problem: MemoryProblem) {
    const { buffers, neighbours } = problem;
    const mostNeighbours = neighbours.reduce((most, list) => Math.max(most, list.length), 0);
    this.problem = problem;
    this.offsets = new Float64Array(buffers.length).fill(-1);
    this.bytes = Float64Array.from(buffers, ({ bytes }) => bytes);
    this.starts = new Float64Array(mostNeighbours);
    this.ends = new Float64Array(mostNeighbours);
  }

  /** Places all buffers in this order; returns the peak. */
  place(order: readonly BufferIndex[]): number {
    const { offsets, bytes, problem } = this;
    let kept = 0;
    while (kept < order.length && this.order[kept] === order[kept]) kept++;
    for (let at = kept; at < order.length; at++) offsets[order[at]] = -1;
    this.order = order;
    for (let at = kept; at < order.length; at++) {
      const i = order[at];
      offsets[i] = problem.buffers[i].offset ?? this.smallestGap(i);
    }
    let peak = 0;
    for (const i of order) peak = Math.max(peak, offsets[i] + bytes[i]);
    return peak;
  }

  /**
   * The lowest address of the smallest gap that holds buffer i, else the top. With starts and ends of the placed
   * conflicts sorted apart, memory is free between end k and start k + 1 wherever the first is not above the second: then
   * all that began below has ended.
   */
  private smallestGap(i: BufferIndex): number {
    const { offsets, bytes, problem } = this;
    let count = 0;
    for (const j of problem.neighbours[i]) {
      if (offsets[j] < 0 || bytes[j] === 0) continue;
      this.starts[count] = offsets[j];
      this.ends[count++] = offsets[j] + bytes[j];
    }
    const starts = this.starts.subarray(0, count).sort();
    const ends = this.ends.subarray(0, count).sort();
    const alignment = alignmentOf(problem.buffers[i]);
    let chosen = -1;
    let smallest = Infinity;
    for (let k = 0; k < count; k++) {
      const free = k === 0 ? 0 : alignUp(ends[k - 1], alignment);
      const gap = starts[k] - free;
      if (gap >= bytes[i] && gap < smallest) [chosen, smallest] = [free, gap];
    }
    if (chosen >= 0) return chosen;
    return count === 0 ? 0 : alignUp(ends[count - 1], alignment);
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
