import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkPlacement } from './check.js';
import { describeViolation, drawPlacement } from './draw.js';
import { intervalProblem } from './intervals.js';
import { planMemory } from './plan.js';
import { anyIntervals } from './test_problems.js';

const abc = intervalProblem([
  { id: 'a', start: 0, end: 3, bytes: 8, alignment: 4 },
  { id: 'b', start: 3, end: 6, bytes: 8, alignment: 4 },
  { id: 'c', start: 1, end: 5, bytes: 4, alignment: 4 },
]);

test('values that are never alive together may share bytes', () => {
  expect(checkPlacement(abc, [0, 0, 8])).toEqual([]);
});

test('a shared byte, a broken alignment and a missing address are named', () => {
  const wrong = checkPlacement(abc, [0, -1, 6]);
  expect(wrong.map((violation) => describeViolation(abc, violation))).toEqual([
    "'b' has no address (-1)",
    "'c' at 6 breaks its alignment",
    "'a' and 'c' share byte 6 while both are alive",
  ]);
});

test('a given address that was not kept is named', () => {
  const problem = intervalProblem([{ id: 'state', start: 0, end: 1, bytes: 4, offset: 64 }]);
  expect(checkPlacement(problem, [0])).toEqual([{ kind: 'moved', a: 0, offset: 0 }]);
});

test('every planted overlap of two live buffers is caught', () => {
  fc.assert(
    fc.property(anyIntervals(12), fc.nat(), fc.nat(), (buffers, pick, nudge) => {
      const bytewise = buffers.map((buffer) => ({ ...buffer, alignment: 1 }));
      const problem = intervalProblem(bytewise);
      const { offsets } = planMemory(problem);
      const pairs = problem.neighbours.flatMap((list, a) => Array.from(list, (b) => [a, b]));
      fc.pre(pairs.length > 0);
      const [a, b] = pairs[pick % pairs.length];
      const moved = offsets.slice();
      moved[a] = offsets[b] + (nudge % bytewise[b].bytes); // somewhere on b
      const caught = checkPlacement(problem, moved).some(
        (violation) =>
          violation.kind === 'overlap' && [violation.a, violation.b].sort().join() === [a, b].sort().join(),
      );
      expect(caught).toBe(true);
    }),
  );
});

test('a drawing shows memory upwards, time to the right, and what is wrong', () => {
  expect(drawPlacement(abc, [0, 0, 8], { rows: 3 })).toBe(
    [
      '12 |.CC.', // moments 0, 1, 3, 5
      ' 8 |AABB',
      ' 4 |AABB',
      '   +---- 4 steps',
      '  A  a: 8 bytes at 0',
      '  B  b: 8 bytes at 0',
      '  C  c: 4 bytes at 8',
    ].join('\n'),
  );
  expect(drawPlacement(abc, [0, 0, 4], { rows: 2 })).toBe(
    [
      '8 |A##B',
      '4 |AABB',
      '  +---- 4 steps',
      '  A  a: 8 bytes at 0',
      '  B  b: 8 bytes at 0',
      '  C  c: 4 bytes at 4',
      "  WRONG 'a' and 'c' share byte 4 while both are alive",
      "  WRONG 'b' and 'c' share byte 4 while both are alive",
    ].join('\n'),
  );
});

test('sizes, addresses and lifetimes that make no sense are refused by name', () => {
  const one = { id: 'x', start: 0, end: 1, bytes: 8 };
  expect(() => intervalProblem([{ ...one, bytes: -1 }])).toThrow(/buffer 'x' has bytes -1/);
  expect(() => intervalProblem([{ ...one, bytes: 1.5 }])).toThrow(/program\/malformed-buffer/);
  expect(() => intervalProblem([{ ...one, alignment: 0 }])).toThrow(/positive/);
  expect(() => intervalProblem([{ ...one, offset: 32 }])).toThrow(/multiple of its alignment, 64/);
  expect(() => intervalProblem([{ ...one, end: 0 }])).toThrow(/after its start/);
  expect(() =>
    intervalProblem([
      { ...one, offset: 0 },
      { ...one, id: 'y', offset: 0 },
    ]),
  ).toThrow(/'x' and 'y' are both placed over byte 0/);
});
