import { alignmentOf, alignUp, type BufferIndex, type MemoryProblem } from './problem.js';
import { membersOf, mostAlong, sumsAlong, type SectionRow } from './sections.js';

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
export function lowerBound({ buffers, rows }: Pick<MemoryProblem, 'buffers' | 'rows'>): LowerBound {
  // Addresses are multiples of the least alignment, so each buffer but the topmost takes whole units of it.
  const unit = buffers.reduce((least, buffer) => greatestCommonDivisor(least, alignmentOf(buffer)), 0);
  const exact = Float64Array.from(buffers, (buffer) => buffer.bytes);
  const rounded = exact.map((bytes) => alignUp(bytes, unit));
  const slack = rounded.map((bytes, i) => bytes - exact[i]);
  let bytes = 0;
  let attainableBytes = 0;
  let fullest: { readonly row: SectionRow; readonly section: number } | null = null;
  for (const row of rows) {
    const whole = sumsAlong(row, rounded);
    const topmost = mostAlong(row, slack);
    sumsAlong(row, exact).forEach((sum, section) => {
      if (sum > bytes) [bytes, fullest] = [sum, { row, section }];
      attainableBytes = Math.max(attainableBytes, whole[section] - topmost[section]);
    });
  }
  for (const { offset, bytes } of buffers)
    if (offset !== undefined) attainableBytes = Math.max(attainableBytes, offset + bytes);
  if (!fullest) return { bytes, attainableBytes, moment: 0, buffers: [] };
  const { row, section } = fullest as { readonly row: SectionRow; readonly section: number };
  return {
    bytes,
    attainableBytes,
    moment: row.moments[section],
    buffers: Array.from(membersOf(row, section)).sort((a, b) => buffers[b].bytes - buffers[a].bytes),
  };
}

/** {@link LowerBound.bytes} alone. */
export function mostBytes({ buffers, rows }: Pick<MemoryProblem, 'buffers' | 'rows'>): number {
  const exact = Float64Array.from(buffers, ({ bytes }) => bytes);
  return rows.reduce((most, row) => sumsAlong(row, exact).reduce((a, b) => Math.max(a, b), most), 0);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
