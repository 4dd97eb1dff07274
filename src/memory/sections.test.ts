import fc from 'fast-check';
import { expect, test } from 'vitest';
import { distinctSections, membersOf, mostAlong, mostOfBuffers, sumsAlong, type SectionRow } from './sections.js';

/** Rows over five buffers: up to two stays each, apart. */
const anyRow = fc
  .record({
    sections: fc.integer({ min: 1, max: 7 }),
    stays: fc.array(fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7), fc.nat(7)), { minLength: 5, maxLength: 5 }),
  })
  .map(({ sections, stays }): SectionRow => {
    const list = stays.flatMap((bounds, buffer) => {
      const [a, b, c, d] = bounds.map((at) => Math.min(at, sections)).sort((x, y) => x - y);
      return [
        { buffer, enter: a, leave: b },
        { buffer, enter: c, leave: d },
      ];
    });
    return {
      moments: Array.from({ length: sections }, (_, s) => 10 * s),
      buffer: Int32Array.from(list, ({ buffer }) => buffer),
      enter: Int32Array.from(list, ({ enter }) => enter),
      leave: Int32Array.from(list, ({ leave }) => leave),
    };
  });

const most = (numbers: readonly number[]): number => Math.max(0, ...numbers);

test('what is asked of the sections of rows is what their members say', () => {
  fc.assert(
    fc.property(
      fc.array(anyRow, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(9), { minLength: 5, maxLength: 5 }),
      (rows, of) => {
        const members = rows.map((row) => Array.from(row.moments, (_, s) => Array.from(membersOf(row, s))));
        rows.forEach((row, r) => {
          const sums = members[r].map((list) => list.reduce((sum, i) => sum + of[i], 0));
          expect(Array.from(sumsAlong(row, of))).toEqual(sums);
          expect(Array.from(mostAlong(row, of))).toEqual(members[r].map((list) => most(list.map((i) => of[i]))));
        });
        const sums = rows.map((row) => sumsAlong(row, of));
        expect(Array.from(mostOfBuffers(5, rows, sums))).toEqual(
          of.map((_, i) =>
            most(members.flatMap((row, r) => row.flatMap((list, s) => (list.includes(i) ? [sums[r][s]] : [])))),
          ),
        );
        const sets = members.flat().filter((list) => list.length > 0);
        expect(new Set(distinctSections(rows).map((section) => String(section.members)))).toEqual(
          new Set(sets.map(String)),
        );
        expect(distinctSections(rows)).toHaveLength(new Set(sets.map(String)).size);
      },
    ),
  );
});
