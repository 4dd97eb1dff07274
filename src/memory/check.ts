import { alignmentOf, type BufferIndex, type MemoryProblem } from './problem.js';

/** What is wrong with a placement. */
export type Violation =
  | { readonly kind: 'overlap'; readonly a: BufferIndex; readonly b: BufferIndex; readonly byte: number }
  | { readonly kind: 'misaligned' | 'unplaced' | 'moved'; readonly a: BufferIndex; readonly offset: number };

/**
 * Everything wrong with a placement, judged from buffers and conflicts alone, by nothing that placed it: no address
 * missing, misaligned or other than given, no byte shared by two buffers in conflict. Buffers are swept by address and
 * asked about pairs that share bytes: O(n log n + such pairs).
 */
export function checkPlacement(
  { buffers, conflicts }: Pick<MemoryProblem, 'buffers' | 'conflicts'>,
  offsets: ArrayLike<number>,
): Violation[] {
  const violations: Violation[] = [];
  const placed: BufferIndex[] = [];
  buffers.forEach((buffer, a) => {
    const offset = offsets[a];
    if (!Number.isSafeInteger(offset) || offset < 0) violations.push({ kind: 'unplaced', a, offset });
    else if (offset % alignmentOf(buffer) !== 0) violations.push({ kind: 'misaligned', a, offset });
    else if (buffer.offset !== undefined && buffer.offset !== offset) violations.push({ kind: 'moved', a, offset });
    if (offset >= 0 && buffer.bytes > 0) placed.push(a);
  });

  placed.sort((a, b) => offsets[a] - offsets[b]);
  let below: BufferIndex[] = [];
  for (const b of placed) {
    below = below.filter((a) => offsets[a] + buffers[a].bytes > offsets[b]);
    for (const a of below) if (conflicts(a, b)) violations.push({ kind: 'overlap', a, b, byte: offsets[b] });
    below.push(b);
  }
  return violations;
}
