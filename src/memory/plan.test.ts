import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bestFit } from './best_fit.js';
import { checkPlacement } from './check.js';
import { drawPlacement } from './draw.js';
import { intervalProblem, type IntervalBuffer } from './intervals.js';
import { lifetimeProblem } from './lifetimes.js';
import { planMemory } from './plan.js';
import type { MemoryProblem } from './problem.js';
import { searchPlacement } from './search.js';
import { anyIntervals, anyProgram, cutRectangle, lowestPeak } from './test_problems.js';

/** A placement of seven buffers is optimal: found by search at the lowest peak, proved impossible one byte lower. */
function expectOptimal(problem: MemoryProblem): void {
  const lowest = lowestPeak(problem);
  const plan = planMemory(problem);
  const picture = () => drawPlacement(problem, plan.offsets);
  expect(checkPlacement(problem, plan.offsets), picture()).toEqual([]);
  expect(plan.peakBytes, picture()).toBe(lowest);
  expect(plan.bound.attainableBytes).toBeLessThanOrEqual(lowest);
  expect(plan.bound.bytes).toBeLessThanOrEqual(plan.bound.attainableBytes);

  const fits = searchPlacement(problem, { capacityBytes: lowest, nodes: 1e6 });
  expect(fits.outcome).toBe('fits');
  if (fits.outcome === 'fits') expect(checkPlacement(problem, fits.offsets)).toEqual([]);
  expect(searchPlacement(problem, { capacityBytes: lowest - 1, nodes: 1e6 }).outcome).toBe('impossible');
}

test('a plan of seven buffers on intervals is as low as trying every order', () => {
  fc.assert(
    fc.property(anyIntervals(7), (buffers) => expectOptimal(intervalProblem(buffers))),
    { numRuns: 150 },
  );
});

test('a plan of seven buffers under happens-before is as low as trying every order', () => {
  fc.assert(
    fc.property(anyProgram(7), ({ buffers }) => expectOptimal(lifetimeProblem(buffers))),
    { numRuns: 150 },
  );
});

test('buffers with a given address keep it, and the rest is still optimal', () => {
  const withState = fc.record({ buffers: anyIntervals(5), bytes: fc.integer({ min: 1, max: 9 }), offset: fc.nat(12) });
  fc.assert(
    fc.property(withState, ({ buffers, bytes, offset }) => {
      const state: IntervalBuffer = { id: 'state', start: 0, end: 20, bytes, offset, alignment: 1 };
      expectOptimal(intervalProblem([...buffers, state]));
    }),
    { numRuns: 100 },
  );
});

test('best fit places hundreds of buffers without a fault, above the bound', () => {
  const many = fc.array(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 60 }), fc.nat(5000)), {
    minLength: 1,
    maxLength: 300,
  });
  fc.assert(
    fc.property(many, (list) => {
      const problem = intervalProblem(
        list.map(([start, length, bytes], i) => ({ id: `b${i}`, start, end: start + length, bytes })),
      );
      const { offsets, peakBytes } = bestFit(problem, { goalBytes: 0, moves: 5 });
      expect(checkPlacement(problem, offsets), drawPlacement(problem, offsets)).toEqual([]);
      expect(peakBytes).toBeGreaterThanOrEqual(planMemory(problem, { searchNodes: 0, moves: 0 }).bound.attainableBytes);
    }),
    { numRuns: 30 },
  );
});

test('the search puts cut rectangles together again where best fit stays above them', () => {
  const methods = [1, 2, 3, 4].map((seed) => {
    const problem = intervalProblem(cutRectangle(10_000, 40, seed));
    const plan = planMemory(problem, { capacity: 10_000, moves: 50 });
    expect(checkPlacement(problem, plan.offsets)).toEqual([]);
    expect(plan.peakBytes, drawPlacement(problem, plan.offsets)).toBe(10_000);
    expect(plan).toMatchObject({ boundBytes: 10_000, optimal: true });
    return plan.method;
  });
  expect(methods).toContain('search');
});

test('a plan is the same each time, and a node budget bounds the search', () => {
  const problem = intervalProblem(cutRectangle(10_000, 60, 5));
  const plan = () => planMemory(problem, { capacity: 10_000, moves: 10, searchNodes: 300 });
  expect(plan()).toEqual(plan());
  expect(plan().nodes).toBeLessThanOrEqual(300);
});

test('a spent time budget still leaves a sound placement', () => {
  const problem = intervalProblem(cutRectangle(10_000, 60, 6));
  let now = 0;
  const plan = planMemory(problem, { budgetMilliseconds: 3, clock: () => now++ });
  expect(plan).toMatchObject({ method: 'best_fit', nodes: 0 });
  expect(checkPlacement(problem, plan.offsets)).toEqual([]);
});

test('no buffers need no memory', () => {
  expect(planMemory(intervalProblem([]))).toMatchObject({ peakBytes: 0, boundBytes: 0, offsets: [] });
  expect(planMemory(lifetimeProblem([]))).toMatchObject({ peakBytes: 0, optimal: true });
});
