/**
 * Lifetimes under happens-before. Instructions run on lanes, each lane in order, lanes apart except where a wait orders
 * them; a *clock* counts, for each lane, instructions of that lane that have surely finished.
 *
 *   acquire(b)  the clock when b's first write begins (the componentwise least, where several unordered writes are first)
 *   release(a)  the clock from which a's bytes are free: for each lane, how many of its instructions must have finished
 *               (the number, counted from 1, of the last one that touches a; 0 where none does)
 *
 *   b may take a's bytes   ⇔   release(a) ≤ acquire(b), lane by lane: the next writer has the last reader in its past
 *
 * An input of the program has acquire 0; what outlives it has release Infinity.
 */
import { malformedBuffer } from './diagnostics.js';
import { completeProblem, type Buffer, type BufferIndex, type MemoryProblem, type Section } from './problem.js';

/** One count a lane. */
export type Clock = ArrayLike<number>;

/** One stay of one value in a buffer. */
export interface Tenancy {
  readonly acquire: Clock;
  readonly release: Clock;
  /** Position of the first write in launch order: names the moment, orders the timeline; legality never depends on it. */
  readonly launch: number;
}

/** A buffer and all stays in it; between two stays its bytes may serve another buffer. */
export interface LifetimeBuffer extends Buffer {
  readonly tenancies: readonly Tenancy[];
}

/** Whether the second may take the first's bytes: release(first) ≤ acquire(second). */
export function mayFollow(first: Tenancy, second: Tenancy): boolean {
  return covers(second.acquire, first.release);
}

/**
 * The problem of buffers with lifetimes under happens-before: two conflict if some stay of one and some stay of the
 * other may not follow each other either way round.
 *
 * A cut C (a clock) *holds* a stay if acquire ≤ C and not release ≤ C: it may have begun, and is not surely over. Two
 * stays held by one cut conflict: were release(a) ≤ acquire(b), then release(a) ≤ acquire(b) ≤ C. So what a cut holds is
 * a section. The cuts looked at are every stay's own acquire (what its writer sees), the joins of those launched so far
 * (what the launching thread sees), and the joins reached from the heaviest of both by adding one stay at a time while
 * the sum grows.
 */
export function lifetimeProblem(buffers: readonly LifetimeBuffer[]): MemoryProblem {
  const lanes = buffers[0]?.tenancies[0]?.acquire.length ?? 0;
  const stays = staysInLaunchOrder(buffers, lanes);
  const neighbours = conflictLists(buffers.length, stays);
  const joins = joinsOfAcquires(stays, lanes);
  const chain = heldAlongChain(stays, joins);
  const simple = [...chain.sections, ...heldByOwnAcquire(stays)];
  const sections = distinctSections([...simple, ...climb(buffers, stays, simple)]);
  return completeProblem({
    buffers,
    conflicts: (a, b) =>
      buffers[a].tenancies.some((x) => buffers[b].tenancies.some((y) => !mayFollow(x, y) && !mayFollow(y, x))),
    neighbours,
    sections,
    timeline: timeline(buffers.length, stays, chain, neighbours),
  });
}

interface Stay extends Tenancy {
  readonly buffer: BufferIndex;
}

function covers(clock: Clock, other: Clock): boolean {
  for (let lane = 0; lane < other.length; lane++) if (clock[lane] < other[lane]) return false;
  return true;
}

function holds(cut: Clock, stay: Tenancy): boolean {
  return covers(cut, stay.acquire) && !covers(cut, stay.release);
}

function staysInLaunchOrder(buffers: readonly LifetimeBuffer[], lanes: number): Stay[] {
  const stays = buffers.flatMap(({ id, tenancies }, buffer) =>
    tenancies.map((tenancy) => {
      for (const field of ['acquire', 'release'] as const) {
        if (tenancy[field].length !== lanes)
          throw malformedBuffer({
            buffer: id,
            field,
            value: Array.from(tenancy[field]),
            expected: `one count for each of ${lanes} lanes`,
          });
      }
      return { ...tenancy, buffer };
    }),
  );
  return stays.sort((a, b) => a.launch - b.launch || a.buffer - b.buffer);
}

/**
 * Each buffer's conflicts. A stay is dead from the launch position on where every later acquire covers its release, so
 * only the stays between are compared: near-linear for a program, whose values die young.
 */
function conflictLists(buffers: number, stays: readonly Stay[]): Int32Array[] {
  const later = latestCommonKnowledge(stays);
  const sets = Array.from({ length: buffers }, () => new Set<BufferIndex>());
  stays.forEach((a, p) => {
    for (let q = p + 1; q < stays.length && !covers(later[q], a.release); q++) {
      const b = stays[q];
      if (a.buffer === b.buffer || sets[a.buffer].has(b.buffer) || mayFollow(a, b) || mayFollow(b, a)) continue;
      sets[a.buffer].add(b.buffer);
      sets[b.buffer].add(a.buffer);
    }
  });
  return sets.map((set) => Int32Array.from(set).sort());
}

/** For each position, what all acquires from there on know: their componentwise minimum. */
function latestCommonKnowledge(stays: readonly Stay[]): Clock[] {
  const later: Clock[] = new Array(stays.length);
  for (let p = stays.length - 1; p >= 0; p--) {
    const own = stays[p].acquire;
    later[p] = p + 1 < stays.length ? Array.from(own, (count, lane) => Math.min(count, later[p + 1][lane])) : own;
  }
  return later;
}

/** For each position, the least cut that reaches every acquire up to it: their componentwise maximum. */
function joinsOfAcquires(stays: readonly Stay[], lanes: number): Clock[] {
  let cut = new Float64Array(lanes);
  return stays.map(({ acquire }) => (cut = join(cut, acquire)));
}

function join(a: Clock, b: Clock): Float64Array {
  return Float64Array.from(a, (count, lane) => Math.max(count, b[lane]));
}

interface Chain {
  readonly sections: readonly WeighedSection[];
  /** Position on the chain of each distinct cut's first stay, and back. */
  readonly moments: readonly number[];
  /** For each stay, the steps of the chain that hold it: [enter, leave), perhaps none. */
  readonly enter: Int32Array;
  readonly leave: Int32Array;
}

interface WeighedSection extends Section {
  readonly cut: Clock;
}

/** What each cut of the ascending chain of joins holds. A stay enters once and leaves once, since the cuts ascend. */
function heldAlongChain(stays: readonly Stay[], joins: readonly Clock[]): Chain {
  const enter = new Int32Array(stays.length);
  const leave = new Int32Array(stays.length);
  const sections: WeighedSection[] = [];
  const moments: number[] = [];
  let held: number[] = [];
  for (let p = 0; p < stays.length; p++) {
    const step = moments.length;
    enter[p] = leave[p] = step;
    held.push(p);
    // Stays of one cut make one section: wait for the last of them.
    if (p + 1 < stays.length && covers(joins[p], joins[p + 1])) continue;
    held = held.filter((q) => !covers(joins[p], stays[q].release));
    for (const q of held) leave[q] = step + 1;
    moments.push(stays[p].launch);
    sections.push({ moment: stays[p].launch, cut: joins[p], members: membersOf(held.map((q) => stays[q])) });
  }
  return { sections, moments, enter, leave };
}

/** What each stay's writer may see alive when it begins. */
function heldByOwnAcquire(stays: readonly Stay[]): WeighedSection[] {
  const later = latestCommonKnowledge(stays);
  const held: Stay[][] = stays.map(() => []);
  stays.forEach((a, p) => {
    for (let q = p; q < stays.length && !covers(later[q], a.release); q++)
      if (holds(stays[q].acquire, a)) held[q].push(a);
    // Stays launched together may know of each other's beginning, whichever comes first in the list.
    for (let q = p - 1; q >= 0 && stays[q].launch === a.launch; q--) if (holds(stays[q].acquire, a)) held[q].push(a);
  });
  return stays.map(({ launch, acquire }, p) => ({ moment: launch, cut: acquire, members: membersOf(held[p]) }));
}

const CLIMBS = 8;
const CLIMB_REACH = 64;

/** From each of the heaviest cuts: join one more acquire, of a stay launched near by, for as long as the bytes held grow. */
function climb(buffers: readonly Buffer[], stays: readonly Stay[], from: readonly WeighedSection[]): WeighedSection[] {
  const weigh = (members: Int32Array) => members.reduce((sum, i) => sum + buffers[i].bytes, 0);
  const starts = from.map((section) => ({ section, bytes: weigh(section.members) }));
  starts.sort((a, b) => b.bytes - a.bytes);
  return starts.slice(0, CLIMBS).map(({ section, bytes }) => {
    const middle = stays.findIndex(({ launch }) => launch >= section.moment);
    const near = stays.slice(Math.max(0, middle - CLIMB_REACH), middle + CLIMB_REACH);
    for (let grew = true; grew;) {
      grew = false;
      for (const stay of near) {
        if (covers(section.cut, stay.acquire)) continue;
        const cut = join(section.cut, stay.acquire);
        const members = membersOf(stays.filter((other) => holds(cut, other)));
        const sum = weigh(members);
        if (sum <= bytes) continue;
        [section, bytes, grew] = [{ moment: Math.max(section.moment, stay.launch), cut, members }, sum, true];
      }
    }
    return section;
  });
}

function membersOf(stays: readonly Stay[]): Int32Array {
  return Int32Array.from(new Set(stays.map(({ buffer }) => buffer))).sort();
}

/** Drops empty sections and repetitions. */
function distinctSections(sections: readonly Section[]): Section[] {
  const seen = new Set<string>();
  return sections.filter(({ members }) => {
    const key = members.join();
    if (members.length === 0 || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/**
 * Steps are the chain's cuts. A buffer stands from the first cut that reaches its first write to the last that holds it,
 * and on to the first write of its last conflict: another lane may not know yet that it is over.
 */
function timeline(buffers: number, stays: readonly Stay[], chain: Chain, neighbours: readonly Int32Array[]) {
  const lower = new Int32Array(buffers).fill(Math.max(0, chain.moments.length - 1));
  const upper = new Int32Array(buffers);
  stays.forEach(({ buffer }, p) => {
    lower[buffer] = Math.min(lower[buffer], chain.enter[p]);
    upper[buffer] = Math.max(upper[buffer], chain.leave[p], chain.enter[p] + 1);
  });
  const enters = lower.slice();
  neighbours.forEach((list, i) => list.forEach((j) => (upper[i] = Math.max(upper[i], enters[j] + 1))));
  const end = (chain.moments.at(-1) ?? 0) + 1;
  return { length: chain.moments.length, moments: [...chain.moments, end], lower, upper };
}
