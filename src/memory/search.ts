/**
 * Depth-first search for a placement below a given capacity: exact, given enough nodes.
 *
 * The rules are those of M. D. Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine
 * Learning", ASPLOS 2023, as published with google/minimalloc (Apache-2.0); the code and the generalisation to lifetimes
 * under happens-before are ours.
 *
 *   canonical       buffers are placed in ascending address, ties in preorder, each as low as what is below allows: every
 *                   solution slides down to one of these, so no other is looked at
 *   dominance       no buffer goes so high that an unplaced one would fit whole below it
 *   bound           a section (pairwise in conflict) whose floor plus its unplaced bytes exceeds the capacity is hopeless;
 *                   its floor is the highest of: what is placed in it, the least address its unplaced members can have,
 *                   and the address placed last
 *   hatless         a buffer with nothing unplaced over it harms nobody: if the rest fails with it, it fails without
 *   decomposition   where no unplaced buffer crosses a step of the timeline, both sides are solved apart
 *   round robin     three preorders take turns with a node limit that doubles (W width, A area, T most contended section)
 */
import { alignmentOf, alignUp, type BufferIndex, type MemoryProblem } from './problem.js';
import { distinctSections, type Section } from './sections.js';

export type Preorder = 'WAT' | 'TAW' | 'TWA';

export interface SearchOptions {
  readonly capacityBytes: number;
  /** Most nodes to visit over all preorders: the same budget gives the same answer on every machine. */
  readonly nodes: number;
  /** The problem's sections, where several searches share them. */
  readonly sections?: readonly Section[];
  /** Asked every thousand nodes: whether time is up. */
  readonly expired?: () => boolean;
}

export type SearchResult =
  | { readonly outcome: 'fits'; readonly offsets: Float64Array; readonly preorder: Preorder; readonly nodes: number }
  /** No placement fits: proved. */
  | { readonly outcome: 'impossible'; readonly nodes: number }
  | { readonly outcome: 'gave up'; readonly nodes: number };

/** Looks for a placement whose peak is at most `capacityBytes`. Recursion is as deep as the problem has buffers. */
export function searchPlacement(problem: MemoryProblem, options: SearchOptions): SearchResult {
  const search = new Search(
    problem,
    options.sections ?? distinctSections(problem.rows),
    options.capacityBytes,
    options.expired ?? (() => false),
  );
  let nodes = 0;
  for (let limit = 2 * problem.buffers.length; ; limit *= 2) {
    for (const preorder of PREORDERS) {
      const outcome = search.run(preorder, Math.min(limit, options.nodes - nodes));
      nodes += search.nodes;
      if (outcome === 'fits') return { outcome, offsets: search.solution, preorder, nodes };
      if (outcome === 'impossible') return { outcome, nodes };
      if (nodes >= options.nodes || search.timeIsUp) return { outcome: 'gave up', nodes };
    }
  }
}

const PREORDERS: readonly Preorder[] = ['WAT', 'TAW', 'TWA'];

type Outcome = SearchResult['outcome'];

/** Buffers that share no conflict with the unplaced rest, in preorder, on timeline steps [from, to). */
interface Part {
  readonly buffers: Int32Array;
  /** All sections that any of them is a member of. */
  readonly sections: Int32Array;
  readonly from: number;
  readonly to: number;
}

class Search {
  readonly solution: Float64Array;
  nodes = 0;
  timeIsUp = false;

  private readonly problem: MemoryProblem;
  private readonly sections: readonly Section[];
  /** The sections each buffer is a member of, ascending. */
  private readonly sectionsOf: readonly Int32Array[];
  private readonly capacity: number;
  private readonly expired: () => boolean;
  private readonly bytes: Float64Array;
  private readonly alignment: Float64Array;
  /** The given address, or −1. */
  private readonly given: Float64Array;
  private readonly width: Float64Array;
  private readonly area: Float64Array;
  /** Unplaced bytes of the fullest section a buffer is in, when its part was arranged. */
  private readonly contention: Float64Array;
  private nodeLimit = 0;
  private preorder: Preorder = 'WAT';

  /** Address of each placed buffer; −1 where unplaced. */
  private readonly offsets: Float64Array;
  /** The least address each unplaced buffer can have over what is placed. */
  private readonly leastOffset: Float64Array;
  /** Per section: the least address of what is unplaced in it, and the sum of its bytes. */
  private readonly floor: Float64Array;
  private readonly unplacedBytes: Float64Array;
  /** Per timeline step: how many unplaced buffers stand on this step and the next. */
  private readonly crossings: Int32Array;

  /** Journals of what a placement changed, undone from the end. */
  private readonly raisedBuffers: number[] = [];
  private readonly raisedOffsets: number[] = [];
  private readonly raisedSections: number[] = [];
  private readonly raisedFloors: number[] = [];

  private readonly stamps: Int32Array;
  private stamp = 0;

  constructor(problem: MemoryProblem, sections: readonly Section[], capacity: number, expired: () => boolean) {
    const { buffers, timeline } = problem;
    const sectionsOf: number[][] = buffers.map(() => []);
    sections.forEach(({ members }, s) => members.forEach((i) => sectionsOf[i].push(s)));
    this.problem = problem;
    this.sections = sections;
    this.sectionsOf = sectionsOf.map((list) => Int32Array.from(list));
    this.capacity = capacity;
    this.expired = expired;
    this.bytes = Float64Array.from(buffers, ({ bytes }) => bytes);
    this.alignment = Float64Array.from(buffers, alignmentOf);
    this.given = Float64Array.from(buffers, ({ offset }) => offset ?? -1);
    this.width = Float64Array.from(
      buffers,
      (_, i) => timeline.moments[timeline.upper[i]] - timeline.moments[timeline.lower[i]],
    );
    this.area = this.width.map((width, i) => width * this.bytes[i]);
    this.contention = new Float64Array(buffers.length);
    this.solution = new Float64Array(buffers.length);
    this.offsets = new Float64Array(buffers.length).fill(-1);
    this.leastOffset = this.given.map((offset) => Math.max(0, offset));
    this.floor = new Float64Array(sections.length);
    this.unplacedBytes = new Float64Array(sections.length);
    this.crossings = new Int32Array(timeline.length);
    this.stamps = new Int32Array(sections.length);
    sectionsOf.forEach((list, i) => list.forEach((s) => (this.unplacedBytes[s] += this.bytes[i])));
    for (let i = 0; i < buffers.length; i++) {
      for (let step = timeline.lower[i]; step + 1 < timeline.upper[i]; step++) this.crossings[step]++;
    }
  }

  run(preorder: Preorder, nodeLimit: number): Outcome {
    this.preorder = preorder;
    this.nodeLimit = nodeLimit;
    this.nodes = 0;
    if (this.bytes.some((bytes, i) => Math.max(0, this.given[i]) + bytes > this.capacity)) return 'impossible';
    const { length } = this.problem.timeline;
    const cuts = [0];
    for (let step = 0; step + 1 < length; step++) if (this.crossings[step] === 0) cuts.push(step + 1);
    return this.solveApart([...this.bytes.keys()], [...cuts, length]);
  }

  /** Solves the buffers between each two cuts of the timeline on their own. */
  private solveApart(buffers: readonly BufferIndex[], cuts: readonly number[]): Outcome {
    const { lower, upper } = this.problem.timeline;
    for (let c = 0; c + 1 < cuts.length; c++) {
      const [from, to] = [cuts[c], cuts[c + 1]];
      const inside = buffers.filter((i) => this.offsets[i] < 0 && lower[i] < to && upper[i] > from);
      if (inside.length === 0) continue;
      const part = this.arrange(inside, from, to);
      const outcome = this.descend(part, Int32Array.from(part.buffers.keys()), 0, 0);
      if (outcome !== 'fits') return outcome;
    }
    return 'fits';
  }

  /** Sorts a part's buffers by the preorder in force: largest first by each letter's measure in turn. */
  private arrange(buffers: readonly BufferIndex[], from: number, to: number): Part {
    const { sectionsOf } = this;
    const sections: number[] = [];
    this.stamp++;
    for (const i of buffers) {
      let contention = 0;
      for (const s of sectionsOf[i]) {
        if (this.unplacedBytes[s] > contention) contention = this.unplacedBytes[s];
        if (this.stamps[s] === this.stamp) continue;
        this.stamps[s] = this.stamp;
        sections.push(s);
      }
      this.contention[i] = contention;
    }
    const measures = { W: this.width, A: this.area, T: this.contention };
    const [first, second, third] = Array.from(this.preorder, (letter) => measures[letter as 'W' | 'A' | 'T']);
    const sorted = Int32Array.from(buffers).sort(
      (a, b) => first[b] - first[a] || second[b] - second[a] || third[b] - third[a] || a - b,
    );
    return { buffers: sorted, sections: Int32Array.from(sections), from, to };
  }

  /**
   * Places one more buffer of the part, at or above `leastOffset` (ties: from `leastRank` on), and all after it.
   * `candidates` are ranks in the part's preorder; those placed since are dropped here.
   */
  private descend(part: Part, candidates: Int32Array, leastOffset: number, leastRank: number): Outcome {
    if (this.nodes >= this.nodeLimit) return 'gave up';
    this.nodes++;
    if ((this.nodes & 1023) === 0 && this.expired()) {
      this.timeIsUp = true;
      return 'gave up';
    }

    const unplaced = new Int32Array(candidates.length);
    let count = 0;
    let lowestTop = Infinity;
    for (const rank of candidates) {
      const i = part.buffers[rank];
      if (this.offsets[i] >= 0) continue;
      unplaced[count++] = rank;
      const top = this.leastOffset[i] + this.bytes[i];
      if (top < lowestTop) lowestTop = top;
    }
    if (count === 0) return 'fits';
    const rest = unplaced.subarray(0, count);

    const choices: number[] = [];
    const fullest = this.fullestSection(part);
    for (const rank of rest) {
      const i = part.buffers[rank];
      const offset = this.leastOffset[i];
      const canonical = offset > leastOffset || (offset === leastOffset && rank >= leastRank);
      const dominated = offset >= lowestTop && this.bytes[i] > 0;
      if (canonical && !dominated && !this.tooHigh(part, i, offset, fullest)) choices.push(rank);
    }
    choices.sort((p, q) => this.leastOffset[part.buffers[p]] - this.leastOffset[part.buffers[q]] || p - q);

    for (const rank of choices) {
      const i = part.buffers[rank];
      const offset = this.leastOffset[i];
      const mark = this.raisedBuffers.length;
      const floorMark = this.raisedSections.length;
      const outcome = this.place(i, offset) ? this.continueFrom(part, rest, i, offset, rank) : 'impossible';
      this.unplace(i, mark, floorMark);
      if (outcome !== 'impossible') return outcome;
      if (this.isHatless(i)) break;
    }
    return 'impossible';
  }

  /** The part's section with the most unplaced bytes. */
  private fullestSection({ sections }: Part): number {
    let fullest = sections[0];
    for (const s of sections) if (this.unplacedBytes[s] > this.unplacedBytes[fullest]) fullest = s;
    return fullest;
  }

  /** Whether some section cannot hold its unplaced bytes at or above `offset`, buffer i's own sections apart. */
  private tooHigh({ sections }: Part, i: BufferIndex, offset: number, fullest: number): boolean {
    const room = this.capacity - offset;
    if (this.unplacedBytes[fullest] <= room) return false;
    this.stamp++;
    for (const s of this.sectionsOf[i]) this.stamps[s] = this.stamp;
    for (const s of sections) if (this.unplacedBytes[s] > room && this.stamps[s] !== this.stamp) return true;
    return false;
  }

  /** Whether nothing unplaced must lie above buffer i. */
  private isHatless(i: BufferIndex): boolean {
    for (const j of this.problem.neighbours[i]) if (this.offsets[j] < 0) return false;
    return true;
  }

  /** Searches on after buffer i was placed, in parts where it was the last to hold them together. */
  private continueFrom(part: Part, rest: Int32Array, i: BufferIndex, offset: number, rank: number): Outcome {
    const { lower, upper } = this.problem.timeline;
    const cuts = [part.from];
    for (let step = lower[i]; step + 1 < upper[i]; step++) if (--this.crossings[step] === 0) cuts.push(step + 1);
    const outcome =
      cuts.length === 1
        ? this.descend(part, rest, offset, rank)
        : this.solveApart(Array.from(part.buffers), [...cuts, part.to]);
    for (let step = lower[i]; step + 1 < upper[i]; step++) this.crossings[step]++;
    return outcome;
  }

  /**
   * Places buffer i and raises what must lie above it. False as soon as something cannot fit any more; what was raised
   * until then is in the journals.
   */
  private place(i: BufferIndex, offset: number): boolean {
    const { sectionsOf } = this;
    const { neighbours } = this.problem;
    const top = offset + this.bytes[i];
    this.offsets[i] = this.solution[i] = offset;
    for (const s of sectionsOf[i]) {
      this.unplacedBytes[s] -= this.bytes[i];
      this.raiseFloor(s, top);
    }
    this.stamp++;
    const touched: number[] = [];
    for (const j of neighbours[i]) {
      if (this.offsets[j] >= 0) continue;
      const before = this.leastOffset[j];
      if (before >= top && before % this.alignment[j] === 0) continue;
      const least = alignUp(top, this.alignment[j]);
      if (least + this.bytes[j] > this.capacity || (this.given[j] >= 0 && least > this.given[j])) return false;
      this.raisedBuffers.push(j);
      this.raisedOffsets.push(before);
      this.leastOffset[j] = least;
      for (const s of sectionsOf[j]) {
        // A floor is never below its least unplaced member: one that was above it is not what holds the floor down.
        if (this.stamps[s] === this.stamp || before > this.floor[s]) continue;
        this.stamps[s] = this.stamp;
        touched.push(s);
      }
    }
    for (const s of sectionsOf[i]) if (!this.settleFloor(s)) return false;
    for (const s of touched) if (!this.settleFloor(s)) return false;
    return true;
  }

  /** Lifts a section's floor to its least unplaced member; whether the section can still fit. */
  private settleFloor(s: number): boolean {
    let least = Infinity;
    for (const j of this.sections[s].members) {
      if (this.offsets[j] < 0 && this.leastOffset[j] < least) least = this.leastOffset[j];
    }
    if (least < Infinity && least > this.floor[s]) this.raiseFloor(s, least);
    return this.floor[s] + this.unplacedBytes[s] <= this.capacity;
  }

  private raiseFloor(s: number, floor: number): void {
    if (floor <= this.floor[s]) return;
    this.raisedSections.push(s);
    this.raisedFloors.push(this.floor[s]);
    this.floor[s] = floor;
  }

  private unplace(i: BufferIndex, mark: number, floorMark: number): void {
    while (this.raisedSections.length > floorMark) this.floor[this.raisedSections.pop()!] = this.raisedFloors.pop()!;
    for (const s of this.sectionsOf[i]) this.unplacedBytes[s] += this.bytes[i];
    while (this.raisedBuffers.length > mark) this.leastOffset[this.raisedBuffers.pop()!] = this.raisedOffsets.pop()!;
    this.offsets[i] = -1;
  }
}
