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
import { completeProblem, type Buffer, type BufferIndex, type MemoryProblem } from './problem.js';

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
  const lanes = buffers.find(({ tenancies }) => tenancies.length > 0)?.tenancies[0].acquire.length ?? 0;
  const stays = staysInLaunchOrder(buffers, lanes);
  const neighbours = conflictLists(buffers.length, stays);
  const joins = joinsOfAcquires(stays, lanes);
  const chain = heldAlongChain(stays, joins);
  const seen = [...chain.sections, ...heldByOwnAcquire(stays, joins)];
  const sections = [...seen, ...climb(buffers, stays, seen)]
    .map(({ moment, held }) => ({ moment, members: membersOf(held) }))
    .filter(({ members }) => members.length > 0);
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
  readonly acquire: Float64Array;
  readonly release: Float64Array;
}

/** other ≤ clock, lane by lane. */
function covers(clock: Clock, other: Clock): boolean {
  for (let lane = 0; lane < other.length; lane++) if (clock[lane] < other[lane]) return false;
  return true;
}

function holds(cut: Clock, stay: Tenancy): boolean {
  return covers(cut, stay.acquire) && !covers(cut, stay.release);
}

function staysInLaunchOrder(buffers: readonly LifetimeBuffer[], lanes: number): Stay[] {
  const stays = buffers.flatMap(({ id, tenancies }, buffer) =>
    tenancies.map(({ acquire, release, launch }) => {
      const clock = (field: string, counts: Clock) => {
        if (counts.length === lanes && Array.from(counts).every((count) => count >= 0))
          return Float64Array.from(counts);
        const expected = `one count, not negative, for each of ${lanes} lanes`;
        throw malformedBuffer({ buffer: id, field, value: `[${Array.from(counts).join(', ')}]`, expected });
      };
      return { buffer, launch, acquire: clock('acquire', acquire), release: clock('release', release) };
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
  const lists: BufferIndex[][] = Array.from({ length: buffers }, () => []);
  stays.forEach((a, p) => {
    for (let q = p + 1; q < stays.length && !covers(later[q], a.release); q++) {
      const b = stays[q];
      if (a.buffer === b.buffer || mayFollow(a, b) || mayFollow(b, a)) continue;
      lists[a.buffer].push(b.buffer);
      lists[b.buffer].push(a.buffer);
    }
  });
  return lists.map(ascending);
}

/** For each position, what all acquires from there on know: their componentwise minimum. */
function latestCommonKnowledge(stays: readonly Stay[]): Float64Array[] {
  const later: Float64Array[] = new Array(stays.length);
  for (let p = stays.length - 1; p >= 0; p--) {
    const own = stays[p].acquire;
    later[p] = p + 1 < stays.length ? own.map((count, lane) => Math.min(count, later[p + 1][lane])) : own;
  }
  return later;
}

/** For each position, the least cut that reaches every acquire up to it: their componentwise maximum. */
function joinsOfAcquires(stays: readonly Stay[], lanes: number): Float64Array[] {
  const joins: Float64Array[] = [];
  for (const { acquire } of stays) joins.push(join(joins.at(-1) ?? new Float64Array(lanes), acquire));
  return joins;
}

function join(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((count, lane) => Math.max(count, b[lane]));
}

/** What one cut holds. */
interface Held {
  readonly moment: number;
  readonly cut: Float64Array;
  readonly held: readonly Stay[];
}

interface Chain {
  readonly sections: readonly Held[];
  /** The moment of each step. */
  readonly moments: readonly number[];
  /** For each stay, the steps of the chain that hold it: [enter, leave), perhaps none. */
  readonly enter: Int32Array;
  readonly leave: Int32Array;
}

/** What each cut of the ascending chain of joins holds. A stay enters once and leaves once, since the cuts ascend. */
function heldAlongChain(stays: readonly Stay[], joins: readonly Float64Array[]): Chain {
  const enter = new Int32Array(stays.length);
  const leave = new Int32Array(stays.length);
  const sections: Held[] = [];
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
    sections.push({ moment: stays[p].launch, cut: joins[p], held: held.map((q) => stays[q]) });
  }
  return { sections, moments, enter, leave };
}

/** What each stay's writer may see alive when it begins, where that is not what the launching thread sees. */
function heldByOwnAcquire(stays: readonly Stay[], joins: readonly Float64Array[]): Held[] {
  const later = latestCommonKnowledge(stays);
  const held: Stay[][] = stays.map(() => []);
  const apart = stays.map(({ acquire }, p) => !covers(acquire, joins[p]));
  stays.forEach((a, p) => {
    for (let q = p; q < stays.length && !covers(later[q], a.release); q++) {
      if (apart[q] && holds(stays[q].acquire, a)) held[q].push(a);
    }
  });
  return stays.map(({ launch, acquire }, p) => ({ moment: launch, cut: acquire, held: held[p] }));
}

const CLIMBS = 8;
const CLIMB_REACH = 64;

/**
 * From each of the heaviest cuts: join one more acquire, of a stay launched near by, for as long as the bytes held grow.
 * A larger cut holds nothing but what the smaller one held and what began since, of which the near by suffice.
 */
function climb(buffers: readonly Buffer[], stays: readonly Stay[], from: readonly Held[]): Held[] {
  const weigh = (held: readonly Stay[]) => held.reduce((sum, { buffer }) => sum + buffers[buffer].bytes, 0);
  const starts = from.map((held) => ({ held, bytes: weigh(held.held) })).sort((a, b) => b.bytes - a.bytes);
  return starts.slice(0, CLIMBS).map(({ held: best, bytes }) => {
    const middle = stays.findIndex(({ launch }) => launch >= best.moment);
    const near = stays.slice(Math.max(0, middle - CLIMB_REACH), middle + CLIMB_REACH);
    for (let grew = true; grew;) {
      grew = false;
      for (const { acquire, launch } of near) {
        if (covers(best.cut, acquire)) continue;
        const cut = join(best.cut, acquire);
        const held = [...new Set([...best.held, ...near])].filter((stay) => holds(cut, stay));
        const sum = weigh(held);
        if (sum <= bytes) continue;
        [best, bytes, grew] = [{ moment: Math.max(best.moment, launch), cut, held }, sum, true];
      }
    }
    return best;
  });
}

function membersOf(held: readonly Stay[]): Int32Array {
  return ascending(held.map(({ buffer }) => buffer));
}

/** Sorted, each once. */
function ascending(list: readonly number[]): Int32Array {
  return Int32Array.from(list)
    .sort()
    .filter((x, at, sorted) => at === 0 || x !== sorted[at - 1]);
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
