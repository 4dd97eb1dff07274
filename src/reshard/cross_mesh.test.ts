import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyLayoutDraw, anyMesh, anyType, fitLayout } from '../../tests/arbitraries/layouts.js';
import { alphaBeta } from '../cost/index.js';
import { parseLayout, printLayout, reductionOf } from '../ir/layout.js';
import { coordinatesOf, mesh, meshRanks, partIndex } from '../ir/mesh.js';
import { elementsOf, parseType, printType } from '../ir/type.js';
import {
  Crossing,
  crossMeshPlan,
  regionElements,
  reduceBlocks,
  ReshardSearch,
  runPath,
  runTransfers,
  shardPieces,
  tileTransfers,
  unshard,
} from './index.js';

const cost = alphaBeta();

/** Two meshes, a value, and draws of its layouts on them. */
const anyCrossing = fc.record({
  source: anyMesh(),
  destination: anyMesh(),
  type: anyType(),
  from: anyLayoutDraw(),
  to: anyLayoutDraw(),
});

describe('values between meshes', () => {
  test('any value crosses from any layout to any other, each block filled exactly once', () => {
    const law = fc.property(anyCrossing, ({ source, destination, type, ...draws }) => {
      const from = fitLayout(source, type, draws.from);
      const to = fitLayout(destination, type, draws.to);
      const told = `${printType(type)} ${printLayout(from)} -> ${printLayout(to)}`;
      const axes = Object.keys(from.partial);
      const parts = axes.reduce((n, axis) => n * source.axes.find((a) => a.name === axis)!.size, 1);
      const pieces = Array.from({ length: parts }, (_, part) =>
        Float64Array.from({ length: elementsOf(type) }, (_, i) => ((i * 37 + part * 101) % 97) - 40),
      );
      const global = reduceBlocks(reductionOf(from) ?? 'sum', pieces);
      const blocks = shardPieces(source, type, from, (at) => pieces[partIndex(source, axes, at)]);

      const plan = crossMeshPlan(new ReshardSearch(source, cost), from, new ReshardSearch(destination, cost), to, type);
      const sent = runPath(source, type, plan.before, blocks);
      const received = runTransfers(plan.transfers, sent, destination, plan.received, type);
      received.forEach((block, rank) => {
        expect(block.includes(NaN), `${told}: a hole on rank ${rank}`).toBe(false);
        const filled = plan.transfers.filter((t) => t.toRank === rank).reduce((n, t) => n + t.elements, 0);
        expect(filled, `${told}: rank ${rank} is filled once`).toBe(block.length);
      });
      const arrived = runPath(destination, type, plan.after, received);
      // Integers: sums are exact in any order.
      expect([...unshard(destination, type, to, arrived)], told).toEqual([...global]);
    });
    fc.assert(law, { numRuns: Number(process.env.RUNS ?? 600) / 2 });
  });

  test('what a rank is told of its own messages is what all ranks together are told', () => {
    const law = fc.property(anyCrossing, ({ source, destination, type, ...draws }) => {
      const [from, to] = [fitLayout(source, type, draws.from), fitLayout(destination, type, draws.to)];
      const [sent, received] = [from, to].map(({ splits }) => ({ splits, partial: {} }));
      const all = tileTransfers(source, sent, destination, received, type);
      const crossing = new Crossing(source, sent, destination, received, type);
      for (let rank = 0; rank < meshRanks(source); rank++)
        expect(crossing.outgoing(coordinatesOf(source, rank))).toEqual(all.filter((t) => t.fromRank === rank));
      for (let rank = 0; rank < meshRanks(destination); rank++)
        expect(crossing.incoming(coordinatesOf(destination, rank))).toEqual(all.filter((t) => t.toRank === rank));
    });
    fc.assert(law, { numRuns: Number(process.env.RUNS ?? 600) / 2 });
  });

  test('a rank of ten thousand finds its messages without the others', () => {
    const [source, destination] = [mesh({ data: 1024, tensor: 8 }), mesh({ data: 1024, tensor: 8 })];
    const layout = parseLayout('{batch:data}');
    const type = parseType('f32[batch=2048, dim=3]');
    const crossing = new Crossing(source, layout, destination, layout, type);
    const at = { data: 700, tensor: 5 };
    const expected = [{ fromRank: 5605, toRank: 5605, elements: 6 }];
    expect(crossing.incoming(at)).toMatchObject(expected);
    expect(crossing.outgoing(at)).toMatchObject(expected);
  });

  test('two equal meshes exchange blocks rank by rank', () => {
    const m = mesh({ data: 2, tensor: 2 });
    const layout = parseLayout('{batch:data}');
    const transfers = tileTransfers(m, layout, m, layout, parseType('f32[batch=4, dim=3]'));
    expect(transfers.map((t) => [t.fromRank, t.toRank, t.elements])).toEqual([
      [0, 0, 6],
      [1, 1, 6],
      [2, 2, 6],
      [3, 3, 6],
    ]);
  });

  test('replicas share the load', () => {
    const type = parseType('f32[batch=12, dim=2]');
    const transfers = tileTransfers(
      mesh({ tensor: 4 }),
      parseLayout('{}'),
      mesh({ data: 8 }),
      parseLayout('{batch:data}'),
      type,
    );
    const sent = [0, 0, 0, 0];
    for (const t of transfers) sent[t.fromRank] += t.elements;
    expect(Math.max(...sent) - Math.min(...sent)).toBeLessThanOrEqual(2 * 2);
    expect(transfers.every((t) => regionElements(t.region) === t.elements)).toBe(true);
  });

  test('partial values do not cross', () => {
    const m = mesh({ tensor: 2 });
    expect(() =>
      tileTransfers(m, parseLayout('{| sum:tensor}'), m, parseLayout('{}'), parseType('f32[batch=4]')),
    ).toThrow('reshard/partial-across-meshes');
    expect(meshRanks(m)).toBe(2);
  });
});
