import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyLayoutDraw, anyMesh, anyType, fitLayout } from '../../tests/arbitraries/layouts.js';
import {
  boundsOf,
  canonicalLayout,
  coarseBounds,
  evenBounds,
  largestBlock,
  layoutFault,
  localType,
  parseLayout,
  printLayout,
  sameLayout,
  tileOf,
} from './layout.js';
import { coordinatesOf, groupOf, mesh, meshRanks, parseMesh, partIndex, printMesh, rankAt } from './mesh.js';
import { elementsOf, factorsOf, parseType, sizesOf } from './type.js';

const anyPlaced = () =>
  fc
    .record({ m: anyMesh(), type: anyType(), draw: anyLayoutDraw() })
    .map(({ m, type, draw }) => ({ m, type, layout: fitLayout(m, type, draw) }));

describe('layouts', () => {
  test('print and parse are inverse', () => {
    fc.assert(
      fc.property(anyPlaced(), ({ m, type, layout }) => {
        expect(canonicalLayout(m, type, parseLayout(printLayout(layout, type)))).toEqual(layout);
        expect(sameLayout(parseLayout(printLayout(layout)), layout)).toBe(true);
      }),
    );
  });

  test.each(['{}', '{batch:data, heads:tensor.0*tensor.1 | sum:context}', '{batch:data[0,3,8]}', '{| max:a, max:b}'])(
    '%s prints as it is read',
    (text) => expect(printLayout(parseLayout(text))).toBe(text),
  );

  test('tiles cover every element as often as ranks replicate it or hold a summand', () => {
    fc.assert(
      fc.property(anyPlaced(), ({ m, type, layout }) => {
        const sizes = sizesOf(type);
        const held = new Array<number>(elementsOf(type)).fill(0);
        for (let rank = 0; rank < meshRanks(m); rank++) {
          const tile = tileOf(m, type, layout, coordinatesOf(m, rank));
          expect(sizesOf(localType(m, type, layout, coordinatesOf(m, rank)))).toEqual(tile.map(([a, b]) => b - a));
          held.forEach((_, index) => {
            let rest = index;
            const inside = sizes
              .map((_, d) => sizes.length - 1 - d)
              .every((d) => {
                const i = rest % sizes[d];
                rest = Math.floor(rest / sizes[d]);
                return tile[d][0] <= i && i < tile[d][1];
              });
            if (inside) held[index]++;
          });
        }
        expect(new Set(held).size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });

  test('the largest block is that of some rank, and no rank has a larger one', () => {
    fc.assert(
      fc.property(anyPlaced(), ({ m, type, layout }) => {
        const blocks = Array.from({ length: meshRanks(m) }, (_, rank) =>
          elementsOf(localType(m, type, layout, coordinatesOf(m, rank))),
        );
        expect(largestBlock(m, type, layout)).toBe(Math.max(...blocks));
      }),
    );
  });

  test('the first axes of an even split cut evenly too', () => {
    const m = mesh({ a: 3, b: 2 });
    for (let size = 0; size < 20; size++) {
      expect(coarseBounds(m, { axes: ['a', 'b'] }, size, 1)).toEqual(evenBounds(size, 3));
      expect(coarseBounds(m, { axes: ['a', 'b'] }, size, 0)).toEqual([0, size]);
    }
    expect(boundsOf(m, { axes: ['a'], bounds: [0, 0, 1, 5] }, 5)).toEqual([0, 0, 1, 5]);
  });

  test('canonical: axes of one rank, even bounds and unknown factors are not spelled out', () => {
    const m = mesh({ a: 2, one: 1 });
    const type = parseType('f32[p=4, q=4]');
    const layout = canonicalLayout(m, type, parseLayout('{q:one, p:a*one[0,2,4] | sum:one}'));
    expect(layout).toEqual({ splits: { p: { axes: ['a'] } }, partial: {} });
  });

  test('a canonical layout is given back as it is, and others in the form that prints equally to all that are like them', () => {
    fc.assert(
      fc.property(anyPlaced(), ({ m, type, layout }) => {
        expect(canonicalLayout(m, type, layout)).toBe(layout);
        const splits = factorsOf(type).map(({ name, size }) => {
          const split = layout.splits[name] ?? { axes: [] };
          return [name, { ...split, axes: [...split.axes, 'one'], bounds: boundsOf(m, split, size) }] as const;
        });
        const spelled = {
          splits: Object.fromEntries(splits.reverse()),
          partial: { one: 'sum', ...layout.partial } as const,
        };
        const wide = { axes: [{ name: 'one', size: 1 }, ...m.axes] };
        const made = canonicalLayout(wide, type, spelled);
        expect(made).toEqual(layout);
        expect(Object.keys(made.splits)).toEqual(Object.keys(layout.splits));
      }),
    );
  });

  test('layouts are the same where they print equally', () => {
    fc.assert(
      fc.property(anyMesh(), anyType(), anyLayoutDraw(), anyLayoutDraw(), (m, type, one, other) => {
        const [a, b] = [fitLayout(m, type, one), fitLayout(m, type, other)];
        expect(sameLayout(a, b)).toBe(printLayout(a) === printLayout(b));
        expect(sameLayout(a, parseLayout(printLayout(a)))).toBe(true);
        for (const name of Object.keys(a.splits)) {
          const split = { ...a.splits[name], axes: [] };
          const less = { ...a, splits: { ...a.splits, [name]: split } };
          for (const [c, d] of [
            [a, less],
            [less, a],
          ])
            expect(sameLayout(c, d)).toBe(printLayout(c) === printLayout(d));
        }
        expect(sameLayout(a, { ...a, splits: { ...a.splits, unread: { axes: [] } } })).toBe(true);
      }),
    );
  });

  test('faults are named', () => {
    const m = mesh({ a: 2, b: 2 });
    const type = parseType('f32[p=4]');
    expect(layoutFault(m, type, parseLayout('{p:a*b}'))).toBeNull();
    expect(layoutFault(m, type, parseLayout('{p:a | sum:a}'))).toContain('two roles');
    expect(layoutFault(m, type, parseLayout('{| sum:a, max:b}'))).toContain('sum over one axis and by max');
  });
});

describe('meshes', () => {
  test('ranks and coordinates are inverse, and a group is what differs along its axes', () => {
    fc.assert(
      fc.property(anyMesh({ maxAxes: 4 }), fc.nat(15), (m, chosen) => {
        const axes = m.axes.filter((_, i) => (chosen >> i) & 1).map((axis) => axis.name);
        for (let rank = 0; rank < meshRanks(m); rank++) {
          const at = coordinatesOf(m, rank);
          expect(rankAt(m, at)).toBe(rank);
          const group = groupOf(m, axes, at);
          expect(group[partIndex(m, axes, at)]).toBe(rank);
          expect(new Set(group).size).toBe(group.length);
          // Axes in the mesh's order: ascending ranks, so that one communicator serves all collectives over them.
          expect(group).toEqual([...group].sort((a, b) => a - b));
        }
      }),
    );
  });

  test('prints as it is read', () => {
    expect(printMesh(parseMesh('mesh {data: 2, tensor.0: 4}'))).toBe('{data: 2, tensor.0: 4}');
  });
});
