import { defineDiagnostic } from '../../ir/diagnostic.js';

/** A buffer that no placement can hold: a size, alignment, address or lifetime that makes no sense. */
export const malformedBuffer = defineDiagnostic(
  'program/malformed-buffer',
  (p: { buffer: string; field: string; value: unknown; expected: string }) => ({
    what: `buffer '${p.buffer}' has ${p.field} ${String(p.value)}`,
    why: `${p.field} must be ${p.expected}`,
    where: [{ at: p.buffer }],
    fix: `correct what computes ${p.field}: sizes and addresses are whole bytes, below 2^53`,
  }),
);

/** Two buffers whose addresses were given, not chosen, share bytes while both are alive. */
export const fixedBuffersOverlap = defineDiagnostic(
  'program/fixed-buffers-overlap',
  (p: { first: string; second: string; byte: number }) => ({
    what: `buffers '${p.first}' and '${p.second}' are both placed over byte ${p.byte}, and both alive there`,
    why: 'their addresses were given, so the planner may not move either',
    where: [{ at: p.first }, { at: p.second }],
    fix: 'give the two persistent regions addresses apart, or leave one of them to the planner',
  }),
);

/** A program needs more memory than its device has. `least` is a proof: no placement needs fewer bytes. */
export const memoryDoesNotFit = defineDiagnostic(
  'program/memory-does-not-fit',
  (p: {
    capacityBytes: number;
    peakBytes: number;
    leastBytes: number;
    moment: number;
    largest: readonly string[];
  }) => ({
    what: `the program needs ${p.peakBytes} bytes of ${p.capacityBytes}`,
    why:
      p.leastBytes > p.capacityBytes
        ? `${p.leastBytes} bytes are alive at once, at instruction ${p.moment}: no placement is smaller`
        : `${p.leastBytes} bytes are alive at once, at instruction ${p.moment}; the placement found wastes the rest`,
    where: p.largest.map((at) => ({ at, note: 'alive there' })),
    fix:
      p.leastBytes > p.capacityBytes
        ? 'shard, recompute or offload some of these values, or take a smaller microbatch'
        : 'give the planner more search nodes, or take a smaller microbatch',
  }),
);
