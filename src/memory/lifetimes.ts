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
import { completeProblem, type Buffer, type MemoryProblem } from './problem.js';
import { sumsAlong, type SectionRow } from './sections.js';

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
 * a section. The cuts looked at are the joins of the acquires launched so far (what the launching thread sees), every
 * stay's own acquire (what its writer sees), and the joins reached from the heaviest of both by adding one stay at a time
 * while the sum grows. All but the last stand in ascending rows, the acquires of a lane one above the other, and a row
 * holds a stay from the first cut that reaches its acquire to the last that does not reach its release.
 */
export function lifetimeProblem(buffers: readonly LifetimeBuffer[]): MemoryProblem {
  const stays = staysInLaunchOrder(buffers);
  const later = latestCommonKnowledge(stays);
  const neighbours = conflictLists(buffers.length, stays, later);
  const rows = rowsOf(buffers, stays);
  return completeProblem({
    buffers,
    conflicts: (a, b) =>
      buffers[a].tenancies.some((x) => buffers[b].tenancies.some((y) => !mayFollow(x, y) && !mayFollow(y, x))),
    neighbours,
    rows,
    timeline: timeline(buffers.length, rows[0], neighbours),
  });
}

/** The sections of {@link lifetimeProblem} alone: what is alive together needs no list of conflicts. */
export const sectionRows = (buffers: readonly LifetimeBuffer[]): readonly SectionRow[] =>
  rowsOf(buffers, staysInLaunchOrder(buffers));

/** The joins' row first. */
function rowsOf(buffers: readonly LifetimeBuffer[], stays: Stays): readonly SectionRow[] {
  const rows = cutRows(stays).map((cuts) => heldAlong(stays, cuts));
  return [...rows, ...climb(buffers, stays, rows)];
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

/** A count may be without end: what is never over. */
function isClock(counts: Clock, lanes: number): boolean {
  if (counts.length !== lanes) return false;
  for (let lane = 0; lane < counts.length; lane++)
    if (!(counts[lane] >= 0 && (counts[lane] === Infinity || Number.isInteger(counts[lane])))) return false;
  return true;
}

/** The same of clock p of some and clock q of others. */
function coversAt(clocks: Float64Array, p: number, others: Float64Array, q: number, lanes: number): boolean {
  for (let lane = 0; lane < lanes; lane++) if (clocks[p * lanes + lane] < others[q * lanes + lane]) return false;
  return true;
}

function staysInLaunchOrder(buffers: readonly LifetimeBuffer[]): Stays {
  const lanes = buffers.find(({ tenancies }) => tenancies.length > 0)?.tenancies[0].acquire.length ?? 0;
  const list = buffers.flatMap(({ id, tenancies }, buffer) =>
    tenancies.map((stay) => {
      for (const field of ['acquire', 'release'] as const) {
        if (isClock(stay[field], lanes)) continue;
        const expected = `one whole count, not negative, for each of ${lanes} lanes`;
        throw malformedBuffer({ buffer: id, field, value: `[${Array.from(stay[field]).join(', ')}]`, expected });
      }
      return { buffer, ...stay };
    }),
  );
  list.sort((a, b) => a.launch - b.launch || a.buffer - b.buffer);
  const side = (clockOf: (stay: Tenancy) => Clock) => {
    const clocks = new Float64Array(list.length * lanes);
    list.forEach((stay, p) => {
      const clock = clockOf(stay);
      for (let lane = 0; lane < lanes; lane++) clocks[p * lanes + lane] = clock[lane];
    });
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
  // A bit for each pair: buffers with several stays meet often.
  const words = Math.ceil(buffers / 32);
  const met = new Int32Array(buffers * words);
  for (let p = 0; p < count; p++) {
    const a = buffer[p];
    for (let q = p + 1; q < count && !coversAt(later, q, release, p, lanes); q++) {
      const b = buffer[q];
      if (a === b || (met[a * words + (b >> 5)] & (1 << (b & 31))) !== 0) continue;
      if (coversAt(acquire, q, release, p, lanes) || coversAt(acquire, p, release, q, lanes)) continue;
      met[a * words + (b >> 5)] |= 1 << (b & 31);
      met[b * words + (a >> 5)] |= 1 << (a & 31);
    }
  }
  const list = new Int32Array(buffers);
  return Array.from({ length: buffers }, (_, a) => {
    let length = 0;
    for (let word = 0; word < words; word++) {
      for (let bits = met[a * words + word]; bits !== 0; bits &= bits - 1)
        list[length++] = 32 * word + 31 - Math.clz32(bits & -bits);
    }
    return list.slice(0, length);
  });
}

/** For each position, what all acquires from there on know: their componentwise minimum. */
function latestCommonKnowledge({ count, lanes, acquire }: Stays): Float64Array {
  const later = acquire.slice();
  for (let k = (count - 1) * lanes - 1; k >= 0; k--) later[k] = Math.min(later[k], later[k + lanes]);
  return later;
}

/** Cuts of which each reaches all before it, and the moment of each. */
interface CutRow {
  /** One behind the other, a count a lane. */
  readonly cuts: Float64Array;
  readonly moments: readonly number[];
}

/** The joins of the acquires launched so far; then the acquires themselves, in as few rows as they come one above the other. */
function cutRows({ count, lanes, acquire, launch }: Stays): readonly CutRow[] {
  const joins = acquire.slice();
  for (let k = lanes; k < count * lanes; k++) joins[k] = Math.max(joins[k], joins[k - lanes]);
  const known: number[] = [];
  const rows: number[][] = [];
  for (let p = 0; p < count; p++) {
    // Stays of one cut make one section, that of the last of them.
    if (p + 1 === count || !coversAt(joins, p, joins, p + 1, lanes)) known.push(p);
    if (coversAt(acquire, p, joins, p, lanes)) continue;
    const row = rows.find((one) => coversAt(acquire, p, acquire, one[one.length - 1], lanes));
    if (!row) rows.push([p]);
    else if (coversAt(acquire, row[row.length - 1], acquire, p, lanes)) row[row.length - 1] = p;
    else row.push(p);
  }
  const cutsAt = (clocks: Float64Array, places: readonly number[]): CutRow => {
    const cuts = new Float64Array(places.length * lanes);
    places.forEach((p, k) => cuts.set(clocks.subarray(p * lanes, (p + 1) * lanes), k * lanes));
    return { cuts, moments: places.map((p) => launch[p]) };
  };
  return [cutsAt(joins, known), ...rows.map((row) => cutsAt(acquire, row))];
}

/** A row of sections with the cuts that make them. */
type HeldRow = SectionRow & CutRow;

/** What each cut of a row holds. */
function heldAlong({ count, lanes, buffer, acquire, release }: Stays, { cuts, moments }: CutRow): HeldRow {
  const reached = Array.from({ length: lanes }, (_, lane) => firstReaching(cuts, lanes, lane));
  /** The first cut that reaches a stay's clock: lane by lane, as cuts of a row ascend. */
  const reaching = (clocks: Float64Array, p: number): number => {
    let first = 0;
    for (let lane = 0; lane < lanes; lane++) {
      const counted = clocks[p * lanes + lane];
      first = Math.max(first, counted < reached[lane].length ? reached[lane][counted] : moments.length);
    }
    return first;
  };
  const enter = new Int32Array(count);
  const leave = new Int32Array(count);
  for (let p = 0; p < count; p++) {
    enter[p] = reaching(acquire, p);
    leave[p] = Math.max(enter[p], reaching(release, p));
  }
  return { cuts, moments, buffer, enter, leave };
}

/** Of each count of a lane, the first of ascending cuts that has it; counts that none has are behind the end. */
function firstReaching(cuts: Float64Array, lanes: number, lane: number): Int32Array {
  const most = cuts.length === 0 ? -1 : cuts[cuts.length - lanes + lane];
  const first = new Int32Array(most + 1);
  let counted = 0;
  for (let cut = 0; cut * lanes < cuts.length; cut++)
    for (; counted <= cuts[cut * lanes + lane]; counted++) first[counted] = cut;
  return first;
}

const CLIMBS = 8;
const CLIMB_REACH = 64;

/**
 * From each of the heaviest cuts: join one more acquire, of a stay launched near by, for as long as the bytes held grow.
 * A larger cut holds nothing but what the smaller one held and what began since, of which the near by suffice. Rows of one
 * section each.
 */
function climb(buffers: readonly Buffer[], stays: Stays, rows: readonly HeldRow[]): SectionRow[] {
  const { count, lanes, buffer, launch, acquire, release } = stays;
  const bytesOf = Float64Array.from(buffers, ({ bytes }) => bytes);
  const starts = rows
    .flatMap((row) => Array.from(sumsAlong(row, bytesOf), (bytes, section) => ({ row, section, bytes })))
    .sort((a, b) => b.bytes - a.bytes);
  return starts.slice(0, CLIMBS).map(({ row, section }) => {
    let [best, moment] = [row.cuts.slice(section * lanes, (section + 1) * lanes), row.moments[section]];
    const middle = launch.findIndex((at) => at >= moment);
    const near = Int32Array.from({ length: count }, (_, p) => p).subarray(
      Math.max(0, middle - CLIMB_REACH),
      middle + CLIMB_REACH,
    );
    const holds = (p: number, cut: Float64Array) =>
      coversAt(cut, 0, acquire, p, lanes) && !coversAt(cut, 0, release, p, lanes);
    /** The last stay that was tried and gained nothing: those that begin with it would not either. */
    let vain = -1;
    let held: number[] = [];
    for (let p = 0; p < count; p++) if (holds(p, best)) held.push(p);
    for (let grew = true; grew;) {
      grew = false;
      for (const p of near) {
        if (coversAt(best, 0, acquire, p, lanes)) continue;
        if (vain >= 0 && coversAt(acquire, vain, acquire, p, lanes) && coversAt(acquire, p, acquire, vain, lanes))
          continue;
        const cut = best.map((known, lane) => Math.max(known, acquire[p * lanes + lane]));
        const begun: number[] = [];
        let gain = 0;
        for (const q of near) {
          if (!holds(q, cut) || holds(q, best)) continue;
          gain += bytesOf[buffer[q]];
          begun.push(q);
        }
        const kept: number[] = [];
        for (const q of held) {
          if (holds(q, cut)) kept.push(q);
          else if ((gain -= bytesOf[buffer[q]]) <= 0) break;
        }
        vain = gain > 0 ? -1 : p;
        if (gain <= 0) continue;
        held = [...kept, ...begun];
        [best, moment, grew] = [cut, Math.max(moment, launch[p]), true];
      }
    }
    const alive = Int32Array.from(held);
    return {
      moments: [moment],
      buffer: alive.map((p) => buffer[p]),
      enter: new Int32Array(alive.length),
      leave: new Int32Array(alive.length).fill(1),
    };
  });
}

/**
 * Steps are the cuts of the joins. A buffer stands from the first cut that reaches its first write to the last that holds
 * it, and on to the first write of its last conflict: another lane may not know yet that it is over.
 */
function timeline(buffers: number, { moments, buffer, enter, leave }: SectionRow, neighbours: readonly Int32Array[]) {
  const { length } = moments;
  const lower = new Int32Array(buffers).fill(Math.max(0, length - 1));
  const upper = new Int32Array(buffers);
  buffer.forEach((i, p) => {
    lower[i] = Math.min(lower[i], enter[p]);
    upper[i] = Math.max(upper[i], leave[p], enter[p] + 1);
  });
  const enters = lower.slice();
  neighbours.forEach((list, i) => list.forEach((j) => (upper[i] = Math.max(upper[i], enters[j] + 1))));
  return { length, moments: [...Array.from(moments), (moments[length - 1] ?? 0) + 1], lower, upper };
}
