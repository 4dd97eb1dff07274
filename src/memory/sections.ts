/**
 * Sections: sets of buffers that are pairwise in conflict, all alive at one moment. They lie side by side in memory, so the sum of their
 * bytes bounds every placement from below.
 *
 * They come in rows. Along a row each stay of a buffer begins once and ends once, so a row of thousands of sections with thousands of
 * members each is two numbers a stay, and what is asked of all sections is found without a list of members.
 */
import type { BufferIndex } from './problem.js';

/** Sections one behind the other: a stay is in those numbered from `enter` up to, not including, `leave`; perhaps in none. */
export interface SectionRow {
  /** The moment of each section: a time of the interval form, a position in launch order of the general form. */
  readonly moments: ArrayLike<number>;
  /** Of each stay, its buffer. Stays of one buffer are apart. */
  readonly buffer: Int32Array;
  readonly enter: Int32Array;
  readonly leave: Int32Array;
}

export interface Section {
  readonly moment: number;
  /** Ascending. */
  readonly members: Int32Array;
}

/** Of each section of a row, the sum over its members. */
export function sumsAlong({ moments, buffer, enter, leave }: SectionRow, of: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(moments.length + 1);
  for (let p = 0; p < buffer.length; p++) {
    sums[enter[p]] += of[buffer[p]];
    sums[leave[p]] -= of[buffer[p]];
  }
  for (let s = 1; s < sums.length; s++) sums[s] += sums[s - 1];
  return sums.subarray(0, moments.length);
}

/** Of each section of a row, the most that a member has; 0 where it has none. */
export function mostAlong({ moments, buffer, enter, leave }: SectionRow, of: ArrayLike<number>): Float64Array {
  const most = new Float64Array(moments.length);
  // The next section at or behind each that has not got its number yet.
  const open = Int32Array.from({ length: moments.length + 1 }, (_, s) => s);
  const nextOpen = (s: number): number => {
    while (open[s] !== s) s = open[s] = open[open[s]];
    return s;
  };
  const stays = Int32Array.from(buffer.keys()).filter((p) => of[buffer[p]] > 0);
  stays.sort((p, q) => of[buffer[q]] - of[buffer[p]]);
  for (const p of stays) {
    for (let s = nextOpen(enter[p]); s < leave[p]; s = nextOpen(s)) {
      most[s] = of[buffer[p]];
      open[s] = s + 1;
    }
  }
  return most;
}

/** Of each buffer, the most that a section has in which it is. `of`: a number for each section of each row. */
export function mostOfBuffers(buffers: number, rows: readonly SectionRow[], of: readonly Float64Array[]): Float64Array {
  const most = new Float64Array(buffers);
  rows.forEach(({ buffer, enter, leave }, r) => {
    const within = mostWithin(of[r]);
    for (let p = 0; p < buffer.length; p++)
      if (enter[p] < leave[p]) most[buffer[p]] = Math.max(most[buffer[p]], within(enter[p], leave[p]));
  });
  return most;
}

/** The greatest of the numbers from one place up to, not including, another. */
function mostWithin(numbers: Float64Array): (from: number, to: number) => number {
  // Level k has the greatest of every 2^k neighbours.
  const levels = [numbers];
  for (let width = 1; 2 * width <= numbers.length; width *= 2) {
    const below = levels[levels.length - 1];
    levels.push(
      Float64Array.from({ length: numbers.length - 2 * width + 1 }, (_, i) => Math.max(below[i], below[i + width])),
    );
  }
  return (from, to) => {
    const level = 31 - Math.clz32(to - from);
    return Math.max(levels[level][from], levels[level][to - 2 ** level]);
  };
}

/** The members of one section. */
export function membersOf({ buffer, enter, leave }: SectionRow, section: number): Int32Array {
  const members: BufferIndex[] = [];
  for (let p = 0; p < buffer.length; p++) if (enter[p] <= section && section < leave[p]) members.push(buffer[p]);
  return Int32Array.from(members).sort();
}

/** Every set of buffers that is a section of some row, once; empty ones left out. */
export function distinctSections(rows: readonly SectionRow[]): readonly Section[] {
  const seen = new Map<number, Section[]>();
  const found: Section[] = [];
  for (const { moments, buffer, enter, leave } of rows) {
    const members: BufferIndex[][] = Array.from(moments, () => []);
    for (let p = 0; p < buffer.length; p++) for (let s = enter[p]; s < leave[p]; s++) members[s].push(buffer[p]);
    members.forEach((list, s) => {
      const section = { moment: moments[s], members: Int32Array.from(list).sort() };
      const hash = section.members.reduce((h, i) => (Math.imul(h, 31) + i) | 0, list.length);
      const alike = seen.get(hash) ?? [];
      if (list.length === 0 || alike.some((other) => sameMembers(other.members, section.members))) return;
      seen.set(hash, [...alike, section]);
      found.push(section);
    });
  }
  return found;
}

function sameMembers(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((member, k) => member === b[k]);
}
