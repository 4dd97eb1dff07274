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
import { completeProblem, type Buffer, type MemoryProblem, type Section } from './problem.js';

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
  const stays = staysInLaunchOrder(buffers);
  const later = latestCommonKnowledge(stays);
  const neighbours = conflictLists(buffers.length, stays, later);
  const joins = joinsOfAcquires(stays);
  const chain = heldAlongChain(stays, joins);
  const seen = [...chain.sections, ...heldByOwnAcquire(stays, joins, later)];
  const sections = distinct(
    [...seen, ...climb(buffers, stays, seen)]
      .map(({ moment, held }) => ({ moment, members: membersOf(stays, held, buffers.length) }))
      .filter(({ members }) => members.length > 0),
  );
  return completeProblem({
    buffers,
    conflicts: (a, b) =>
      buffers[a].tenancies.some((x) => buffers[b].tenancies.some((y) => !mayFollow(x, y) && !mayFollow(y, x))),
    neighbours,
    sections,
    timeline: timeline(buffers.length, stays, chain, neighbours),
  });
}

/** All stays in launch order; stay p's clocks are the `lanes` numbers from `p * lanes` on. A step may have ten thousand of them. */
interface Stays {
  readonly count: number;
  readonly lanes: number;
  readonly buffer: Int32Array;
  readonly launch: Float64Array;
  readonly acquire: Float64Array;
  readonly release: Float64Array;
}

/** other ≤ clock, lane by lane. */
function covers(clock: Clock, other: Clock): boolean {
  for (let lane = 0; lane < other.length; lane++) if (clock[lane] < other[lane]) return false;
  return true;
}

/** The same of clock p of some and clock q of others. */
function coversAt(clocks: Float64Array, p: number, others: Float64Array, q: number, lanes: number): boolean {
  for (let lane = 0; lane < lanes; lane++) if (clocks[p * lanes + lane] < others[q * lanes + lane]) return false;
  return true;
}

const holds = ({ acquire, release, lanes }: Stays, p: number, cut: Float64Array): boolean =>
  coversAt(cut, 0, acquire, p, lanes) && !coversAt(cut, 0, release, p, lanes);

function staysInLaunchOrder(buffers: readonly LifetimeBuffer[]): Stays {
  const lanes = buffers.find(({ tenancies }) => tenancies.length > 0)?.tenancies[0].acquire.length ?? 0;
  const list = buffers.flatMap(({ id, tenancies }, buffer) =>
    tenancies.map(({ acquire, release, launch }) => {
      for (const [field, counts] of [
        ['acquire', acquire],
        ['release', release],
      ] as const) {
        if (counts.length === lanes && Array.from(counts).every((count) => count >= 0)) continue;
        const expected = `one count, not negative, for each of ${lanes} lanes`;
        throw malformedBuffer({ buffer: id, field, value: `[${Array.from(counts).join(', ')}]`, expected });
      }
      return { buffer, launch, acquire, release };
    }),
  );
  list.sort((a, b) => a.launch - b.launch || a.buffer - b.buffer);
  const side = (clockOf: (stay: Tenancy) => Clock) => {
    const clocks = new Float64Array(list.length * lanes);
    list.forEach((stay, p) => clocks.set(Array.from(clockOf(stay)), p * lanes));
    return clocks;
  };
  return {
    count: list.length,
    lanes,
    buffer: Int32Array.from(list, ({ buffer }) => buffer),
    launch: Float64Array.from(list, ({ launch }) => launch),
    acquire: side(({ acquire }) => acquire),
    release: side(({ release }) => release),
  };
}

/**
 * Each buffer's conflicts. A stay is dead from the launch position on where every later acquire covers its release, so
 * only the stays between are compared: near-linear for a program, whose values die young.
 */
function conflictLists(buffers: number, stays: Stays, later: Float64Array): Int32Array[] {
  const { count, lanes, buffer, acquire, release } = stays;
  // Pairs first, then lists of the sizes they need: millions of numbers pushed one by one take most of the time.
  const seconds = new Numbers();
  // Buffers with several stays may conflict often.
  const met = new Uint8Array(count > buffers ? buffers * buffers : 0);
  const ends = new Int32Array(count);
  const sizes = new Int32Array(buffers);
  for (let p = 0; p < count; p++) {
    const a = buffer[p];
    for (let q = p + 1; q < count && !coversAt(later, q, release, p, lanes); q++) {
      const b = buffer[q];
      if (a === b || met[a * buffers + b] === 1) continue;
      if (coversAt(acquire, q, release, p, lanes) || coversAt(acquire, p, release, q, lanes)) continue;
      if (count > buffers) met[a * buffers + b] = met[b * buffers + a] = 1;
      seconds.push(b);
      sizes[a]++;
      sizes[b]++;
    }
    ends[p] = seconds.length;
  }
  const lists = Array.from(sizes, (size) => new Int32Array(size));
  const filled = new Int32Array(buffers);
  for (let p = 0, k = 0; p < count; p++) {
    const a = buffer[p];
    for (; k < ends[p]; k++) {
      const b = seconds.list[k];
      lists[a][filled[a]++] = b;
      lists[b][filled[b]++] = a;
    }
  }
  return lists.map(ascending);
}

/** A list of numbers that grows. */
class Numbers {
  list = new Int32Array(1024);
  length = 0;

  push(number: number): void {
    if (this.length === this.list.length) {
      const longer = new Int32Array(2 * this.length);
      longer.set(this.list);
      this.list = longer;
    }
    this.list[this.length++] = number;
  }
}

/** For each position, what all acquires from there on know: their componentwise minimum. */
function latestCommonKnowledge({ count, lanes, acquire }: Stays): Float64Array {
  const later = acquire.slice();
  for (let k = (count - 1) * lanes - 1; k >= 0; k--) later[k] = Math.min(later[k], later[k + lanes]);
  return later;
}

/** For each position, the least cut that reaches every acquire up to it: their componentwise maximum. */
function joinsOfAcquires({ count, lanes, acquire }: Stays): Float64Array {
  const joins = acquire.slice();
  for (let k = lanes; k < count * lanes; k++) joins[k] = Math.max(joins[k], joins[k - lanes]);
  return joins;
}

/** What one cut holds: positions of stays, ascending. */
interface Held {
  readonly moment: number;
  readonly cut: Float64Array;
  readonly held: Int32Array;
}

interface Chain {
  readonly sections: readonly Held[];
  /** The moment of each step. */
  readonly moments: readonly number[];
  /** For each stay, the steps of the chain that hold it: [enter, leave), perhaps none. */
  readonly enter: Int32Array;
  readonly leave: Int32Array;
}

const clockAt = (clocks: Float64Array, p: number, lanes: number): Float64Array =>
  clocks.subarray(p * lanes, (p + 1) * lanes);

/** What each cut of the ascending chain of joins holds. A stay enters once and leaves once, since the cuts ascend. */
function heldAlongChain({ count, lanes, launch, release }: Stays, joins: Float64Array): Chain {
  const enter = new Int32Array(count);
  const leave = new Int32Array(count);
  const sections: Held[] = [];
  const moments: number[] = [];
  const held = new Int32Array(count);
  let size = 0;
  for (let p = 0; p < count; p++) {
    const step = moments.length;
    enter[p] = leave[p] = step;
    held[size++] = p;
    // Stays of one cut make one section: wait for the last of them.
    if (p + 1 < count && coversAt(joins, p, joins, p + 1, lanes)) continue;
    let kept = 0;
    for (let k = 0; k < size; k++) {
      if (coversAt(joins, p, release, held[k], lanes)) continue;
      leave[held[k]] = step + 1;
      held[kept++] = held[k];
    }
    size = kept;
    moments.push(launch[p]);
    sections.push({ moment: launch[p], cut: clockAt(joins, p, lanes), held: held.slice(0, size) });
  }
  return { sections, moments, enter, leave };
}

/** What each stay's writer may see alive when it begins, where that is not what the launching thread sees. */
function heldByOwnAcquire(stays: Stays, joins: Float64Array, later: Float64Array): Held[] {
  const { count, lanes, launch, acquire, release } = stays;
  const apart: number[] = [];
  for (let q = 0; q < count; q++) if (!coversAt(acquire, q, joins, q, lanes)) apart.push(q);
  const held: number[][] = apart.map(() => []);
  let first = 0;
  for (let p = 0; p < count; p++) {
    while (first < apart.length && apart[first] < p) first++;
    for (let k = first; k < apart.length && !coversAt(later, apart[k], release, p, lanes); k++) {
      if (holds(stays, p, clockAt(acquire, apart[k], lanes))) held[k].push(p);
    }
  }
  return apart.map((q, k) => ({
    moment: launch[q],
    cut: clockAt(acquire, q, lanes),
    held: Int32Array.from(held[k]),
  }));
}

const CLIMBS = 8;
const CLIMB_REACH = 64;

/**
 * From each of the heaviest cuts: join one more acquire, of a stay launched near by, for as long as the bytes held grow.
 * A larger cut holds nothing but what the smaller one held and what began since, of which the near by suffice.
 */
function climb(buffers: readonly Buffer[], stays: Stays, from: readonly Held[]): Held[] {
  const { count, lanes, buffer, launch, acquire } = stays;
  const bytesOf = Float64Array.from(buffer, (i) => buffers[i].bytes);
  const weigh = (held: Int32Array): number => {
    let sum = 0;
    for (const p of held) sum += bytesOf[p];
    return sum;
  };
  const starts = from.map((held) => ({ held, bytes: weigh(held.held) })).sort((a, b) => b.bytes - a.bytes);
  return starts.slice(0, CLIMBS).map(({ held: best, bytes }) => {
    const middle = launch.findIndex((at) => at >= best.moment);
    const near = Int32Array.from({ length: count }, (_, p) => p).subarray(
      Math.max(0, middle - CLIMB_REACH),
      middle + CLIMB_REACH,
    );
    for (let grew = true; grew;) {
      grew = false;
      for (const p of near) {
        if (coversAt(best.cut, 0, acquire, p, lanes)) continue;
        const cut = best.cut.map((known, lane) => Math.max(known, acquire[p * lanes + lane]));
        const held = Int32Array.from(new Set([...best.held, ...near])).filter((stay) => holds(stays, stay, cut));
        const sum = weigh(held);
        if (sum <= bytes) continue;
        [best, bytes, grew] = [{ moment: Math.max(best.moment, launch[p]), cut, held }, sum, true];
      }
    }
    return best;
  });
}

function membersOf({ count, buffer }: Stays, held: Int32Array, buffers: number): Int32Array {
  const members = held.map((p) => buffer[p]);
  if (count <= buffers) return ascending(members);
  const alive = new Uint8Array(buffers);
  for (const i of members) alive[i] = 1;
  let size = 0;
  for (let i = 0; i < buffers; i++) if (alive[i] === 1) members[size++] = i;
  return members.slice(0, size);
}

/** Each set of buffers once: where every microbatch holds what the one before it held, most sections are met many times. */
function distinct(sections: readonly Section[]): readonly Section[] {
  const seen = new Map<number, Section[]>();
  return sections.filter((section) => {
    const { members } = section;
    let hash = members.length;
    for (const i of members) hash = (Math.imul(hash, 31) + i) | 0;
    const alike = seen.get(hash) ?? [];
    if (alike.some((other) => sameMembers(other.members, members))) return false;
    seen.set(hash, [...alike, section]);
    return true;
  });
}

function sameMembers(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return true;
}

/** Sorted, each once; most lists are so already. */
function ascending(list: Int32Array): Int32Array {
  let rises = true;
  for (let k = 1; k < list.length && rises; k++) rises = list[k - 1] < list[k];
  return rises ? list : list.sort().filter((x, at, sorted) => at === 0 || x !== sorted[at - 1]);
}

/**
 * Steps are the chain's cuts. A buffer stands from the first cut that reaches its first write to the last that holds it,
 * and on to the first write of its last conflict: another lane may not know yet that it is over.
 */
function timeline(buffers: number, stays: Stays, chain: Chain, neighbours: readonly Int32Array[]) {
  const lower = new Int32Array(buffers).fill(Math.max(0, chain.moments.length - 1));
  const upper = new Int32Array(buffers);
  stays.buffer.forEach((buffer, p) => {
    lower[buffer] = Math.min(lower[buffer], chain.enter[p]);
    upper[buffer] = Math.max(upper[buffer], chain.leave[p], chain.enter[p] + 1);
  });
  const enters = lower.slice();
  neighbours.forEach((list, i) => list.forEach((j) => (upper[i] = Math.max(upper[i], enters[j] + 1))));
  const end = (chain.moments.at(-1) ?? 0) + 1;
  return { length: chain.moments.length, moments: [...chain.moments, end], lower, upper };
}
