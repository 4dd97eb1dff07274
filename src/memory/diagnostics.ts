import { defineDiagnostic } from '../ir/diagnostic.js';

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
