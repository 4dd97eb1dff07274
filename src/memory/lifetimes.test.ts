import fc from 'fast-check';
import { expect, test } from 'vitest';
import { intervalProblem } from './intervals.js';
import { lifetimeProblem, type LifetimeBuffer } from './lifetimes.js';
import { lowerBound } from './lower_bound.js';
import type { MemoryProblem } from './problem.js';
import { distinctSections } from './sections.js';
import { anyIntervals, anyProgram } from './test_problems.js';

/** What the planner relies on, checked pair by pair against `conflicts`. */
function expectConsistent(problem: MemoryProblem): void {
  const { buffers, neighbours, rows, timeline } = problem;
  buffers.forEach((_, a) => {
    const conflicts = [...buffers.keys()].filter((b) => b !== a && problem.conflicts(a, b));
    expect(Array.from(neighbours[a])).toEqual(conflicts);
    for (const b of conflicts) {
      expect(Math.max(timeline.lower[a], timeline.lower[b])).toBeLessThan(
        Math.min(timeline.upper[a], timeline.upper[b]),
      );
    }
    expect(timeline.upper[a]).toBeLessThanOrEqual(timeline.length);
  });
  for (const { members } of distinctSections(rows)) {
    for (const a of members) for (const b of members) if (a < b) expect(problem.conflicts(a, b)).toBe(true);
  }
  expect(timeline.moments).toHaveLength(timeline.length + 1);
}

test('two values conflict unless every access of one happens before the write of the other', () => {
  fc.assert(
    fc.property(anyProgram(14), ({ buffers, diesBefore }) => {
      const problem = lifetimeProblem(buffers);
      buffers.forEach((_, b) => {
        for (let a = 0; a < b; a++) expect(problem.conflicts(a, b)).toBe(!diesBefore(a, b) && !diesBefore(b, a));
      });
      expectConsistent(problem);
    }),
    { numRuns: 200 },
  );
});

test('on one lane the general form is the interval form', () => {
  fc.assert(
    fc.property(anyIntervals(30), (intervals) => {
      const general = lifetimeProblem(
        intervals.map(({ id, bytes, alignment, start, end }) => ({
          ...{ id, bytes, alignment },
          tenancies: [{ acquire: [start], release: [end], launch: start }],
        })),
      );
      const special = intervalProblem(intervals);
      expectConsistent(special);
      expectConsistent(general);
      expect(general.neighbours).toEqual(special.neighbours);
      expect(lowerBound(general)).toMatchObject({
        bytes: lowerBound(special).bytes,
        attainableBytes: lowerBound(special).attainableBytes,
      });
    }),
  );
});

test('a buffer with several stays conflicts where any stay does, and lends its bytes between them', () => {
  const stay = (from: number, to: number) => ({ acquire: [from], release: [to], launch: from });
  const ring: LifetimeBuffer = { id: 'ring', bytes: 8, tenancies: [stay(0, 2), stay(4, 6)] };
  const between: LifetimeBuffer = { id: 'between', bytes: 8, tenancies: [stay(2, 4)] };
  const across: LifetimeBuffer = { id: 'across', bytes: 8, tenancies: [stay(3, 5)] };
  const problem = lifetimeProblem([ring, between, across]);
  expectConsistent(problem);
  expect(problem.neighbours.map((list) => Array.from(list))).toEqual([[2], [2], [0, 1]]);
});

test('the bound counts what another lane may still be reading, where a wait would free it', () => {
  // Lane 0 writes a, lane 1 reads it; lane 0 then writes b, either after waiting for the reader or not.
  const buffers = (waits: boolean): LifetimeBuffer[] => [
    { id: 'a', bytes: 100, tenancies: [{ acquire: [0, 0], release: [1, 1], launch: 0 }] },
    { id: 'b', bytes: 100, tenancies: [{ acquire: [1, waits ? 1 : 0], release: [2, 0], launch: 2 }] },
  ];
  expect(lowerBound(lifetimeProblem(buffers(true))).bytes).toBe(100);
  expect(lowerBound(lifetimeProblem(buffers(false)))).toMatchObject({ bytes: 200, moment: 2, buffers: [0, 1] });
});

test('state that outlives the program conflicts with everything', () => {
  const problem = lifetimeProblem([
    { id: 'weights', bytes: 10, tenancies: [{ acquire: [0], release: [Infinity], launch: -1 }] },
    { id: 'x', bytes: 10, tenancies: [{ acquire: [0], release: [1], launch: 0 }] },
    { id: 'y', bytes: 10, tenancies: [{ acquire: [1], release: [2], launch: 1 }] },
  ]);
  expect(problem.neighbours.map((list) => Array.from(list))).toEqual([[1, 2], [0], [0]]);
});

test('clocks of different lengths are refused by name', () => {
  const refused = () =>
    lifetimeProblem([
      { id: 'a', bytes: 1, tenancies: [{ acquire: [0, 0], release: [1, 0], launch: 0 }] },
      { id: 'b', bytes: 1, tenancies: [{ acquire: [0], release: [1, 0], launch: 1 }] },
    ]);
  expect(refused).toThrow(/buffer 'b' has acquire \[0\]/);
});
