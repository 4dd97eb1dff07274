/** Pairs of a query and a key, against counting them one by one. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ranges } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import { headTailPositions } from '../ir/head_tail.js';
import { evenBounds } from '../ir/layout.js';
import { pairsSeen } from './pairs_seen.js';

const ruleOf = (size: number, unit: number): OpRule => ({
  factors: { s0: { size }, t0: { size }, s1: { size: unit }, t1: { size: unit } },
  operands: [],
  results: [],
  reductions: [],
  linear: [],
  letters: { s: ['s0', 's1'], t: ['t0', 't1'] },
  origins: [],
});

const upTo = (max: number) => fc.integer({ min: 0, max });

test('any block of any masks: as many as there are one by one', () => {
  const draw = fc.record({
    size: fc.integer({ min: 1, max: 13 }),
    unit: fc.constantFrom(1, 1, 2),
    cuts: fc.tuple(upTo(13), upTo(13), upTo(13), upTo(13)),
    causal: fc.boolean(),
    window: upTo(5),
    parts: upTo(4),
    turn: upTo(3),
    ranks: upTo(4),
  });
  fc.assert(
    fc.property(draw, ({ size, unit, cuts, causal, window, parts, turn, ranks }) => {
      const [a, b, c, d] = cuts.map((cut) => Math.min(cut, size));
      const block: Ranges = {
        s0: [Math.min(a, b), Math.max(a, b)],
        t0: [Math.min(c, d), Math.max(c, d)],
        s1: [0, unit],
        t1: [0, unit],
      };
      const attributes = { causal, window, parts, turn: parts ? turn % parts : 0, head_tail: ranks };
      const stored = (headTail: boolean) =>
        headTail && ranks > 0 ? headTailPositions(size, ranks) : Array.from({ length: size }, (_, i) => i);
      const partOf = (at: number) => evenBounds(size, parts).findLastIndex((bound) => bound <= at);
      const positionsOf = (order: readonly number[], [from, to]: readonly [number, number]) =>
        order
          .map((position, at) => ({ position, at }))
          .slice(from, to)
          .flatMap(({ position, at }) =>
            Array.from({ length: unit }, (_, k) => ({ position: position * unit + k, part: partOf(at) })),
          );
      const queries = positionsOf(stored(true), block.s0);
      const keys = positionsOf(stored(parts > 0), block.t0);
      const pairs = queries.flatMap((query) =>
        keys.filter((key) => {
          const before = query.position - key.position;
          if (parts > 0 && key.part !== (query.part + attributes.turn) % parts) return false;
          if (causal && before < 0) return false;
          return window === 0 || (before < window && (causal || -before < window));
        }),
      );
      expect(pairsSeen({ rule: ruleOf(size, unit), block }, attributes)).toBe(pairs.length);
    }),
    { numRuns: 2000, seed: 5 },
  );
});
