/** Moves against what they mean: every one that the search knows is sound, and any that is called sound keeps the value when it is run. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyReshard, type AnyReshard } from '../../tests/arbitraries/layouts.js';
import { parseLayout, printLayout, reductionOf } from '../ir/layout.js';
import { mesh, partIndex } from '../ir/mesh.js';
import { elementsOf, factorsOf, parseType } from '../ir/type.js';
import { moveFault, movesFrom, printMove, runMove, shardPieces, unshard, type Move, type MoveKind } from './index.js';

const known = ({ mesh: m, type, from, to }: AnyReshard): readonly Move[] => movesFrom(m, factorsOf(type), from, to);

// RUNS=20000 npx vitest run src/reshard/move_fault searches longer.
const runs = Number(process.env.RUNS ?? 300);

test('every move of the search is sound', () => {
  fc.assert(
    fc.property(anyReshard(), (site) => {
      for (const move of known(site)) expect(moveFault(site.mesh, site.type, move), printMove(move)).toBeNull();
    }),
    { numRuns: runs },
  );
});

const kinds: readonly MoveKind[] = [
  'all_gather',
  'reduce_scatter',
  'all_reduce',
  'all_to_all',
  'permute',
  'slice',
  'mask',
  'pad',
];

/** A move with one thing changed: its kind, axes, result or reduction. */
const anyChange = () =>
  fc.record({ pick: fc.nat(), what: fc.nat(4), kind: fc.constantFrom(...kinds), other: fc.nat(), axes: fc.nat(7) });

test('what is called sound keeps the value, whatever was changed', () => {
  let [sound, unsound] = [0, 0];
  fc.assert(
    fc.property(anyReshard(), anyChange(), (site, { pick, what, kind, other, axes }) => {
      const moves = known(site);
      if (moves.length === 0) return;
      const move = moves[pick % moves.length];
      const donor = moves[other % moves.length];
      const along = site.mesh.axes.map(({ name }) => name).filter((_, i) => (axes >> i) & 1);
      const changes: Partial<Move>[] = [
        { kind },
        { axes: along },
        { to: donor.to, factors: donor.factors },
        {
          to: site.to,
          factors: factorsOf(site.type)
            .map(({ name }) => name)
            .filter((f) => differs(site, f)),
        },
        { reduction: donor.reduction, kind },
      ];
      const changed = { ...move, ...changes[what] };
      if (moveFault(site.mesh, site.type, changed) !== null) return void unsound++;
      sound++;
      expectKept(site, changed);
    }),
    { numRuns: 4 * runs },
  );
  // Both are drawn, or nothing was tried.
  expect(Math.min(sound, unsound)).toBeGreaterThan(runs / 5);
});

const differs = ({ from, to }: AnyReshard, factor: string): boolean =>
  printLayout({ splits: { x: from.splits[factor] ?? none }, partial: {} }) !==
  printLayout({ splits: { x: to.splits[factor] ?? none }, partial: {} });

const none = { axes: [] };

/** Runs the move on numbers that tell element, rank and summand apart. */
function expectKept({ mesh: m, type }: AnyReshard, move: Move): void {
  const { from } = move;
  const partial = Object.keys(from.partial);
  const piece = (part: number) =>
    Float64Array.from({ length: elementsOf(type) }, (_, i) => ((i * 37 + part * 101) % 97) - 48 + i);
  const blocks = shardPieces(m, type, from, (at) => piece(partIndex(m, partial, at)));
  const parts = partial.reduce((n, axis) => n * m.axes.find(({ name }) => name === axis)!.size, 1);
  const all = Array.from({ length: parts }, (_, part) => piece(part));
  const reduce = (values: number[]) =>
    reductionOf(from) === 'max' ? Math.max(...values) : values.reduce((a, b) => a + b);
  const whole = piece(0).map((_, i) => reduce(all.map((one) => one[i])));
  const got = unshard(m, type, move.to, runMove(m, type, move, blocks));
  expect([...got], printMove(move)).toEqual([...whole]);
}

const m = mesh({ a: 2, b: 2, c: 3 });
const type = parseType('f32[p=6, q=6]');

test.each<[string, MoveKind, string, string, string[], string[], ('sum' | 'max')?]>([
  ['a gather that drops the outer axis', 'all_gather', '{p:a*c}', '{p:c}', ['a'], ['p']],
  ['a reduction over an axis that is not partial', 'all_reduce', '{| sum:a}', '{}', ['b'], [], 'sum'],
  ['a sum by max', 'all_reduce', '{| sum:a}', '{}', ['a'], [], 'max'],
  ['a reduction that forgets an axis', 'all_reduce', '{| sum:a, sum:b}', '{}', ['a'], [], 'sum'],
  ['a slice of what is split already', 'slice', '{p:a}', '{q:a}', ['a'], ['p', 'q']],
  ['a slice whose parts are not within the old ones', 'slice', '{p:a[0,1,6]}', '{p:a*b}', ['b'], ['p']],
  ['a scatter outside of the parts', 'reduce_scatter', '{p:a | sum:b}', '{p:b*a}', ['b'], ['p'], 'sum'],
  ['an exchange along too few axes', 'all_to_all', '{p:a, q:c}', '{p:c, q:a}', ['a'], ['p', 'q']],
  ['an exchange of partial sums', 'all_to_all', '{p:a | sum:b}', '{q:a}', ['a', 'b'], ['p', 'q']],
  ['a permutation of unlike blocks', 'permute', '{p:a}', '{p:c}', ['a', 'c'], ['p']],
  ['a permutation of unlike bounds', 'permute', '{p:a[0,1,6]}', '{p:b}', ['a', 'b'], ['p']],
  ['a mask of what is split', 'mask', '{p:a}', '{p:a | sum:a}', ['a'], [], 'sum'],
])('%s is refused', (_, kind, from, to, axes, factors, reduction) => {
  const move: Move = { kind, from: parseLayout(from), to: parseLayout(to), axes, factors, reduction };
  expect(moveFault(m, type, move)).not.toBeNull();
});
