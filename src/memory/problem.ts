/**
 * Static memory allocation: given buffers and which of them are alive together, choose an address for each so that the
 * highest byte used is as low as can be. (Dynamic storage allocation, Garey & Johnson SR2: NP-hard, hence a bound, a fast
 * heuristic and a search.)
 *
 * A problem is made by `intervalProblem` (lifetimes on one clock) or by `lifetimeProblem` (lifetimes under
 * happens-before); placement, search and bound see only this interface. Aliases are resolved before: values that share
 * one buffer are one buffer here.
 */
import { fixedBuffersOverlap, malformedBuffer } from './diagnostics.js';
import type { SectionRow } from './sections.js';

/** Index of a buffer in its problem. */
export type BufferIndex = number;

/** Addresses are multiples of this unless a buffer says otherwise: one cache line, and an AVX-512 vector. */
export const DEFAULT_ALIGNMENT = 64;

export interface Buffer {
  readonly id: string;
  readonly bytes: number;
  /** The address is a multiple of this many bytes. Default {@link DEFAULT_ALIGNMENT}. */
  readonly alignment?: number;
  /** A given address, which the planner keeps: the persistent state region. */
  readonly offset?: number;
}

/**
 * Where each buffer stands on one line of `length` steps. Buffers in conflict always overlap on it (the converse need not
 * hold), so a gap in the line separates independent problems.
 */
export interface Timeline {
  readonly length: number;
  /** The moment at which each step begins, and, last, the one at which the last step ends. */
  readonly moments: readonly number[];
  /** Buffer i stands on steps [lower[i], upper[i]). */
  readonly lower: Int32Array;
  readonly upper: Int32Array;
}

export interface MemoryProblem {
  readonly buffers: readonly Buffer[];
  /** Whether two buffers may not share a byte. Symmetric; straight from the lifetimes, so a checker can trust it. */
  conflicts(a: BufferIndex, b: BufferIndex): boolean;
  /** Each buffer's conflicts, ascending. */
  readonly neighbours: readonly Int32Array[];
  readonly rows: readonly SectionRow[];
  readonly timeline: Timeline;
}

export function alignmentOf(buffer: Buffer): number {
  return buffer.alignment ?? DEFAULT_ALIGNMENT;
}

/** The least multiple of `alignment` that is at least `offset`. */
export function alignUp(offset: number, alignment: number): number {
  const over = offset % alignment;
  return over === 0 ? offset : offset + alignment - over;
}

/** Highest byte that a placement uses: what the arena must hold. */
export function peakBytes(buffers: readonly Buffer[], offsets: ArrayLike<number>): number {
  let peak = 0;
  for (let i = 0; i < buffers.length; i++) peak = Math.max(peak, offsets[i] + buffers[i].bytes);
  return peak;
}

/** A problem of these parts, after checking sizes and given addresses. */
export function completeProblem(problem: MemoryProblem): MemoryProblem {
  checkBuffers(problem);
  return problem;
}

function checkBuffers({ buffers, neighbours }: MemoryProblem): void {
  for (const buffer of buffers) {
    const refuse = (field: 'bytes' | 'alignment' | 'offset', expected: string) =>
      malformedBuffer({ buffer: buffer.id, field, value: buffer[field], expected });
    const alignment = alignmentOf(buffer);
    if (!Number.isSafeInteger(buffer.bytes) || buffer.bytes < 0) throw refuse('bytes', 'a whole number, not negative');
    if (!Number.isSafeInteger(alignment) || alignment < 1) throw refuse('alignment', 'a positive whole number');
    if (buffer.offset !== undefined && (!(buffer.offset >= 0) || buffer.offset % alignment !== 0))
      throw refuse('offset', `a multiple of its alignment, ${alignment}`);
  }
  buffers.forEach((a, i) => {
    if (a.offset === undefined) return;
    for (const j of neighbours[i]) {
      const b = buffers[j];
      if (b.offset === undefined || j < i) continue;
      const byte = Math.max(a.offset, b.offset);
      if (byte < Math.min(a.offset + a.bytes, b.offset + b.bytes))
        throw fixedBuffersOverlap({ first: a.id, second: b.id, byte });
    }
  });
}
