import { malformedBuffer } from './diagnostics.js';
import { completeProblem, type Buffer, type BufferIndex, type MemoryProblem } from './problem.js';

/** A buffer alive on the half-open interval [start, end) of one clock. */
export interface IntervalBuffer extends Buffer {
  readonly start: number;
  readonly end: number;
}

/**
 * The problem of buffers alive on intervals of one clock: two conflict where their intervals meet. Its sections are the
 * sets alive at one time, of which there are fewer than twice as many as buffers; every pairwise conflicting set lies in
 * one of them (Helly's theorem in one dimension), so its lower bound is the best that pairs can give.
 */
export function intervalProblem(buffers: readonly IntervalBuffer[]): MemoryProblem {
  for (const { id, start, end } of buffers) {
    if (!(start < end))
      throw malformedBuffer({ buffer: id, field: 'end', value: end, expected: `after its start, ${start}` });
  }
  const moments = [...new Set(buffers.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const step = new Map(moments.map((moment, s) => [moment, s]));
  const lower = Int32Array.from(buffers, ({ start }) => step.get(start)!);
  const upper = Int32Array.from(buffers, ({ end }) => step.get(end)!);
  const length = Math.max(0, moments.length - 1);
  return completeProblem({
    buffers,
    conflicts: (a, b) => buffers[a].start < buffers[b].end && buffers[b].start < buffers[a].end,
    neighbours: overlaps(lower, upper),
    rows: [{ moments: moments.slice(0, length), buffer: Int32Array.from(buffers.keys()), enter: lower, leave: upper }],
    timeline: { length, moments, lower, upper },
  });
}

/** For each interval, the others it meets, ascending. */
function overlaps(lower: Int32Array, upper: Int32Array): Int32Array[] {
  const lists: number[][] = Array.from(lower, () => []);
  let alive: BufferIndex[] = [];
  for (const i of Array.from(lower.keys()).sort((a, b) => lower[a] - lower[b])) {
    alive = alive.filter((j) => upper[j] > lower[i]);
    for (const j of alive) {
      lists[i].push(j);
      lists[j].push(i);
    }
    alive.push(i);
  }
  return lists.map((list) => Int32Array.from(list).sort());
}
