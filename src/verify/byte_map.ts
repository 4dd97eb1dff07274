/**
 * What lies where in an arena: a partition of the written bytes into runs, each with the value that was written there, its writer and
 * its readers. A run that was partly overwritten keeps its history and loses its value.
 */
import type { ValueIndex } from '../program/program.js';

/** A value's instance in memory. */
export interface Content {
  readonly value: ValueIndex;
  /** Its microbatch; -1 where there is one instance a step. */
  readonly microbatch: number;
  /** What is put together: the microbatches of a sum, the tiles of a block from another group; null where one write makes it. */
  readonly parts: Parts | null;
}

export interface Parts {
  readonly of: 'microbatches' | 'tiles' | 'parts';
  /** 1 for each that is there. */
  readonly present: Uint8Array;
}

export interface Run {
  start: number;
  end: number;
  /** Null: what is left of an overwritten value. */
  content: Content | null;
  /** The writer's lane and its number on that lane; lane -1: there before the step. */
  lane: number;
  number: number;
  /** Its place in the launch order. */
  launch: number;
  /** The last reader on each lane, by number (0: none) and by place in the launch order. */
  readonly readers: Int32Array;
  readonly readLaunches: Int32Array;
}

export class ByteMap {
  private readonly lanes: number;
  /** Ascending; parallel to `starts`. */
  private readonly runs: Run[] = [];
  private readonly starts: number[] = [];
  private readonly byStart = new Map<number, Run>();

  constructor(lanes: number) {
    this.lanes = lanes;
  }

  /** The run that is exactly these bytes. */
  exactly(start: number, end: number): Run | null {
    const run = this.byStart.get(start);
    return run && run.end === end ? run : null;
  }

  /** All runs that have a byte in common with these. */
  overlapping(start: number, end: number): readonly Run[] {
    const exact = this.exactly(start, end);
    if (exact) return [exact];
    const first = this.firstEndingAfter(start);
    const found: Run[] = [];
    for (let i = first; i < this.runs.length && this.runs[i].start < end; i++) found.push(this.runs[i]);
    return found;
  }

  /** Puts a value on these bytes. */
  write(start: number, end: number, content: Content, lane: number, number: number, launch: number): void {
    const exact = this.exactly(start, end);
    if (exact) {
      exact.content = content;
      exact.lane = lane;
      exact.number = number;
      exact.launch = launch;
      exact.readers.fill(0);
      return;
    }
    const first = this.firstEndingAfter(start);
    let last = first;
    while (last < this.runs.length && this.runs[last].start < end) last++;
    const replaced = this.runs.slice(first, last);
    const fresh: Run[] = [];
    for (const run of replaced) {
      this.byStart.delete(run.start);
      if (run.start < start) fresh.push(this.remainder(run, run.start, start));
    }
    fresh.push(this.run(start, end, content, lane, number, launch));
    for (const run of replaced) if (run.end > end) fresh.push(this.remainder(run, end, run.end));
    for (const run of fresh) this.byStart.set(run.start, run);
    this.runs.splice(first, last - first, ...fresh);
    this.starts.splice(first, last - first, ...fresh.map((run) => run.start));
  }

  private run(start: number, end: number, content: Content | null, lane: number, number: number, launch: number): Run {
    const readers = new Int32Array(this.lanes);
    return { start, end, content, lane, number, launch, readers, readLaunches: new Int32Array(this.lanes) };
  }

  private remainder(run: Run, start: number, end: number): Run {
    const left = this.run(start, end, null, run.lane, run.number, run.launch);
    left.readers.set(run.readers);
    left.readLaunches.set(run.readLaunches);
    return left;
  }

  /** Index of the first run that ends after `byte`. */
  private firstEndingAfter(byte: number): number {
    let [low, high] = [0, this.starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= byte) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.runs[low - 1].end > byte ? low - 1 : low;
  }
}
