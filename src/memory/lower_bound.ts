import { alignmentOf, alignUp, type BufferIndex, type MemoryProblem } from './problem.js';

/** The most memory that is alive at once: no placement needs less. */
export interface LowerBound {
  /** Largest sum of bytes of a section: what a program's arena is compared with. */
  readonly bytes: number;
  /**
   * The least that alignment and given addresses leave possible: at least `bytes`. A placement that reaches it is
   * optimal.
   */
  readonly attainableBytes: number;
  /** When `bytes` are alive: a time, or a position in launch order. */
  readonly moment: number;
  /** The buffers alive then, the largest first. */
  readonly buffers: readonly BufferIndex[];
}

/**
 * The largest sum of bytes alive at one moment. On intervals that is the maximum over time. Under happens-before it is
 * the maximum over the cuts that `lifetimeProblem` looks at, each a moment of some legal execution; the members of a
 * section conflict pairwise, so the sum is a bound whichever cuts were looked at.
 */
export function lowerBound({ buffers, sections }: MemoryProblem): LowerBound {
  // Addresses are multiples of the least alignment, so each buffer but the topmost takes whole units of it.
  const unit = buffers.reduce((least, buffer) => greatestCommonDivisor(least, alignmentOf(buffer)), 0);
  let bytes = 0;
  let attainableBytes = 0;
  let largest = -1;
  sections.forEach(({ members }, s) => {
    let sum = 0;
    let whole = 0;
    let slack = 0;
    for (const i of members) {
      const rounded = alignUp(buffers[i].bytes, unit);
      sum += buffers[i].bytes;
      whole += rounded;
      slack = Math.max(slack, rounded - buffers[i].bytes);
    }
    if (sum > bytes) [bytes, largest] = [sum, s];
    attainableBytes = Math.max(attainableBytes, whole - slack);
  });
  for (const { offset, bytes } of buffers)
    if (offset !== undefined) attainableBytes = Math.max(attainableBytes, offset + bytes);
  return {
    bytes,
    attainableBytes,
    moment: largest < 0 ? 0 : sections[largest].moment,
    buffers:
      largest < 0 ? [] : Array.from(sections[largest].members).sort((a, b) => buffers[b].bytes - buffers[a].bytes),
  };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
