/** Small problems and independent oracles for the tests of this folder. */
import fc from 'fast-check';
import type { IntervalBuffer } from './intervals.js';
import type { LifetimeBuffer } from './lifetimes.js';
import { alignmentOf, alignUp, type MemoryProblem } from './problem.js';

/** Up to `most` buffers on short intervals, some aligned to more than a byte. */
export function anyIntervals(most: number): fc.Arbitrary<IntervalBuffer[]> {
  const buffer = fc.record({
    start: fc.nat(9),
    length: fc.integer({ min: 1, max: 6 }),
    bytes: fc.integer({ min: 1, max: 9 }),
    alignment: fc.constantFrom(1, 1, 1, 2, 4),
  });
  return fc.array(buffer, { minLength: 1, maxLength: most }).map((list) =>
    list.map(({ start, length, bytes, alignment }, i) => ({
      id: `b${i}`,
      start,
      end: start + length,
      bytes,
      alignment,
    })),
  );
}

/**
 * The lowest peak there is, by trying every order: placing the buffers of a best solution in ascending address, each as
 * low as it goes, moves none of them up.
 */
export function lowestPeak({ buffers, conflicts }: Pick<MemoryProblem, 'buffers' | 'conflicts'>): number {
  const offsets = buffers.map(({ offset }) => offset ?? -1);
  const given = buffers.reduce(
    (peak, { offset, bytes }) => Math.max(peak, offset === undefined ? 0 : offset + bytes),
    0,
  );
  let best = Infinity;
  const place = (peak: number): void => {
    if (peak >= best) return;
    const open = [...buffers.keys()].filter((i) => offsets[i] < 0);
    if (open.length === 0) best = peak;
    for (const i of open) {
      offsets[i] = lowestFit(i);
      place(Math.max(peak, offsets[i] + buffers[i].bytes));
      offsets[i] = -1;
    }
  };
  const lowestFit = (i: number): number => {
    for (let at = 0; ; at = alignUp(at + 1, alignmentOf(buffers[i]))) {
      const free = buffers.every(
        (other, j) =>
          j === i ||
          offsets[j] < 0 ||
          offsets[j] + other.bytes <= at ||
          at + buffers[i].bytes <= offsets[j] ||
          !conflicts(i, j),
      );
      if (free) return at;
    }
  };
  place(given);
  return best;
}

/** One instruction of a random program: its lane, what it waits for, the values it reads; it writes one value. */
interface Step {
  readonly lane: number;
  readonly waitFor: number | null;
  readonly reads: readonly number[];
  readonly bytes: number;
}

export interface RandomProgram {
  readonly steps: readonly Step[];
  readonly lanes: number;
  /** Values, in order of the instruction that writes each, with the clocks of their lifetimes. */
  readonly buffers: readonly LifetimeBuffer[];
  /** Whether every access of value a happens before the write of value b: by search over the order's edges. */
  diesBefore(a: number, b: number): boolean;
}

/** Programs of up to `most` instructions on 1 to 3 lanes; an instruction may wait for an earlier one of another lane. */
export function anyProgram(most: number): fc.Arbitrary<RandomProgram> {
  const step = fc.record({
    lane: fc.nat(2),
    wait: fc.option(fc.nat(most), { freq: 2 }),
    reads: fc.array(fc.nat(most), { maxLength: 2 }),
    bytes: fc.integer({ min: 1, max: 9 }),
  });
  return fc
    .record({ lanes: fc.integer({ min: 1, max: 3 }), list: fc.array(step, { minLength: 1, maxLength: most }) })
    .map(({ lanes, list }) => {
      const steps = list.map(({ lane, wait, reads, bytes }, t) => ({
        lane: lane % lanes,
        waitFor: wait === null || t === 0 ? null : wait % t,
        // An instruction may read what it wrote or what was written before it.
        reads: reads.map((value) => value % (t + 1)),
        bytes,
      }));
      return { steps, lanes, buffers: lifetimes(steps, lanes), diesBefore: orderedBySearch(steps) };
    });
}

/** Clocks as a compiler computes them: one pass in launch order. */
function lifetimes(steps: readonly Step[], lanes: number): LifetimeBuffer[] {
  const known = Array.from({ length: lanes }, () => new Array<number>(lanes).fill(0));
  const finished: number[][] = [];
  const acquire: number[][] = [];
  const release = steps.map(() => new Array<number>(lanes).fill(0));
  const count = new Array<number>(lanes).fill(0);
  steps.forEach(({ lane, waitFor, reads }, t) => {
    if (waitFor !== null) known[lane] = known[lane].map((seen, l) => Math.max(seen, finished[waitFor][l]));
    acquire.push(known[lane].slice());
    known[lane][lane] = ++count[lane];
    finished.push(known[lane].slice());
    for (const value of [t, ...reads]) release[value][lane] = count[lane];
  });
  return steps.map(({ bytes }, t) => ({
    id: `v${t}`,
    bytes,
    alignment: 1,
    tenancies: [{ acquire: acquire[t], release: release[t], launch: t }],
  }));
}

function orderedBySearch(steps: readonly Step[]): (a: number, b: number) => boolean {
  const before = (early: number, late: number): boolean => {
    if (early >= late) return false;
    const previous = steps.slice(0, late).findLastIndex(({ lane }) => lane === steps[late].lane);
    return [previous, steps[late].waitFor ?? -1].some((p) => p >= 0 && (p === early || before(early, p)));
  };
  return (a, b) => steps.every(({ reads }, t) => !(t === a || reads.includes(a)) || before(t, b));
}

/**
 * A rectangle of `capacity` bytes × `capacity` moments, cut in two again and again: buffers that fit the capacity without
 * a free byte, in an order that tells nothing. Best fit rarely puts them together again.
 */
export function cutRectangle(capacity: number, pieces: number, seed: number): IntervalBuffer[] {
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const parts = [{ start: 0, end: capacity, low: 0, high: capacity }];
  while (parts.length < pieces) {
    const at = parts.reduce((most, part, i) => {
      const area = ({ start, end, low, high }: (typeof parts)[number]) => (end - start) * (high - low);
      return area(part) > area(parts[most]) ? i : most;
    }, 0);
    const [part] = parts.splice(at, 1);
    const cut = (from: number, to: number) => from + Math.max(1, Math.floor((to - from) * (0.25 + random() / 2)));
    if (random() * (part.high - part.low + part.end - part.start) < part.high - part.low) {
      const middle = cut(part.low, part.high);
      parts.push({ ...part, high: middle }, { ...part, low: middle });
    } else {
      const middle = cut(part.start, part.end);
      parts.push({ ...part, end: middle }, { ...part, start: middle });
    }
  }
  return parts
    .map(({ start, end, low, high }) => ({ start, end, bytes: high - low, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ start, end, bytes }, i) => ({ id: `p${i}`, start, end, bytes, alignment: 1 }));
}
