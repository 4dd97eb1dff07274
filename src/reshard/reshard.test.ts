import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyReshard, fitLayout, type AnyReshard, type LayoutDraw } from '../../tests/arbitraries/layouts.js';
import { alphaBeta } from '../cost/index.js';
import { canonicalLayout, parseLayout, printLayout, reductionOf, tileOf, type Layout } from '../ir/layout.js';
import { coordinatesOf, mesh, meshRanks, partIndex, printMesh, type Coordinates, type Mesh } from '../ir/mesh.js';
import { elementsOf, factorsOf, parseType, printType, sizesOf, type TensorType } from '../ir/type.js';
import {
  communicationOf,
  fills,
  lowerMove,
  movesFrom,
  printElement,
  printMove,
  reshardPath,
  ReshardSearch,
  runMove,
  runPath,
  shard,
  shardPieces,
  unlikeRanks,
  unshard,
  type Blocks,
  type Move,
} from './index.js';

/** What a property draws: data follow from element indices. */
type Scenario = AnyReshard;

/** A value keeps its reduction: the target of a sum is no maximum, unless what is partial by one is whole before the other. */
function scenario(m: Mesh, type: TensorType, from: LayoutDraw, to: LayoutDraw): Scenario {
  return { mesh: m, type, from: fitLayout(m, type, from), to: fitLayout(m, type, to) };
}

/** One summand (or candidate of a maximum) a part of the partial axes, none of them alike. */
const pieceValue = (part: number, element: number): number => ((element * 37 + part * 101) % 97) / 7 - 5 + element;

function pieces(s: Scenario): { blocks: Blocks; global: Float64Array } {
  const axes = Object.keys(s.from.partial);
  const piece = (part: number) => Float64Array.from({ length: elementsOf(s.type) }, (_, i) => pieceValue(part, i));
  const blocks = shardPieces(s.mesh, s.type, s.from, (at) => piece(partIndex(s.mesh, axes, at)));
  const parts = axes.reduce((n, axis) => n * s.mesh.axes.find((a) => a.name === axis)!.size, 1);
  const global = piece(0).map((_, i) => {
    const all = Array.from({ length: parts }, (_, part) => pieceValue(part, i));
    return reductionOf(s.from) === 'max' ? Math.max(...all) : all.reduce((a, b) => a + b);
  });
  return { blocks, global };
}

/** Where two values first part, told. */
function firstDifference(s: Scenario, path: readonly Move[], move: Move, got: Float64Array, expected: Float64Array) {
  const tolerance = reductionOf(s.from) === 'sum' ? 1e-12 : 0;
  const i = got.findIndex((x, k) => !(Math.abs(x - expected[k]) <= tolerance * Math.max(1, Math.abs(expected[k]))));
  return i < 0 ? null : story(s, path, `${printElement(s.type, i)}  expected ${expected[i]}  got ${got[i]}`, move);
}

function story(s: Scenario, path: readonly Move[], what: string, move: Move): string {
  return [
    '',
    `  value   ${printType(s.type)} on mesh ${printMesh(s.mesh)}`,
    `  from    ${printLayout(s.from)}`,
    `  to      ${printLayout(s.to)}`,
    ...path.map((one, i) => `  ${i === 0 ? 'path ' : '     '}   ${printMove(one)}`),
    `  first   ${what}`,
    `  made by ${printMove(move)}`,
  ].join('\n');
}

/** Runs a path and looks at the value after every move. */
function follow(s: Scenario, path: readonly Move[]): Blocks {
  const { blocks, global } = pieces(s);
  return runPath(s.mesh, s.type, path, blocks, {
    after(move, now) {
      let got: Float64Array;
      try {
        got = unshard(s.mesh, s.type, move.to, now);
      } catch (error) {
        throw new Error(story(s, path, (error as Error).message.split('\n')[0], move), { cause: error });
      }
      const difference = firstDifference(s, path, move, got, global);
      if (difference) throw new Error(difference);
    },
  });
}

/** The block of a rank by counting, element for element: shares no code with what it checks but the ranges. */
function blockByHand(s: Scenario, layout: Layout, global: Float64Array, at: Coordinates): number[] {
  let indices: number[][] = [[]];
  for (const [from, to] of tileOf(s.mesh, s.type, layout, at)) {
    const range = Array.from({ length: to - from }, (_, i) => from + i);
    indices = indices.flatMap((index) => range.map((i) => [...index, i]));
  }
  const sizes = sizesOf(s.type);
  return indices.map((index) => global[index.reduce((n, i, d) => n * sizes[d] + i, 0)]);
}

/** The placement checker's question: is this one of the single moves that lead from its source to its result? */
const isListed = (s: Scenario, move: Move): boolean =>
  movesFrom(s.mesh, factorsOf(s.type), move.from, move.to).some((listed) => printMove(listed) === printMove(move));

const cost = alphaBeta();
// RUNS=50000 npx vitest run src/reshard searches longer.
const runs = Number(process.env.RUNS ?? 600);

describe('reshards alone', () => {
  test('any two layouts are joined by a path that keeps the value', () => {
    fc.assert(
      fc.property(anyReshard(), (s) => {
        const path = reshardPath(s.mesh, s.type, s.from, s.to, cost);
        if (!path) throw new Error(story(s, [], 'no path', {} as Move));
        const blocks = follow(s, path);
        expect(printLayout(path.at(-1)?.to ?? s.from)).toBe(printLayout(s.to));
        for (const move of path) expect(isListed(s, move), printMove(move)).toBe(true);
        if (Object.keys(s.to.partial).length > 0) return;
        const { global } = pieces(s);
        blocks.forEach((block, rank) => {
          const byHand = blockByHand(s, s.to, global, coordinatesOf(s.mesh, rank));
          expect(block.length).toBe(byHand.length);
          expect(block.every((x, i) => Math.abs(x - byHand[i]) <= 1e-12 * Math.max(1, Math.abs(x)))).toBe(true);
        });
      }),
      { numRuns: runs },
    );
  });

  test('a few ranks show what a move makes of all', () => {
    const shape = ({ pack, collective, unpack }: ReturnType<typeof lowerMove>) => {
      const total = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
      const exchanged = collective && [total(collective.inputCounts), total(collective.outputCounts)];
      return JSON.stringify([pack !== null, unpack !== null, exchanged]);
    };
    fc.assert(
      fc.property(anyReshard(), (s) => {
        const ranks = Array.from({ length: meshRanks(s.mesh) }, (_, rank) => coordinatesOf(s.mesh, rank));
        for (const move of movesFrom(s.mesh, factorsOf(s.type), s.from, s.to)) {
          const shapes = (of: readonly Coordinates[]) =>
            [...new Set(of.map((at) => shape(lowerMove(s.mesh, s.type, move, at))))].sort();
          expect(shapes(unlikeRanks(s.mesh, s.type, move, ranks)), printMove(move)).toEqual(shapes(ranks));
        }
      }),
      { numRuns: Math.ceil(runs / 2) },
    );
  });

  test('what is told of a move says whether any rank has elements that nobody sends', () => {
    fc.assert(
      fc.property(anyReshard(), (s) => {
        const ranks = Array.from({ length: meshRanks(s.mesh) }, (_, rank) => coordinatesOf(s.mesh, rank));
        for (const move of movesFrom(s.mesh, factorsOf(s.type), s.from, s.to)) {
          const filled = ranks.filter((at) => lowerMove(s.mesh, s.type, move, at).fill !== null);
          expect(fills(move, ranks), printMove(move)).toBe(filled.length > 0);
          expect(filled.some((at) => !fills(move, [at]))).toBe(false);
        }
      }),
      { numRuns: Math.ceil(runs / 3) },
    );
  });

  test('every single move keeps the value', () => {
    fc.assert(
      fc.property(anyReshard(), (s) => {
        for (const move of movesFrom(s.mesh, factorsOf(s.type), s.from, s.to)) follow(s, [move]);
      }),
      { numRuns: Math.ceil(runs / 3) },
    );
  });

  test('members of a group agree on the collective and its counts', () => {
    fc.assert(
      fc.property(anyReshard(), (s) => {
        for (const move of movesFrom(s.mesh, factorsOf(s.type), s.from, s.to)) {
          const lowered = Array.from({ length: meshRanks(s.mesh) }, (_, rank) =>
            lowerMove(s.mesh, s.type, move, coordinatesOf(s.mesh, rank)),
          );
          lowered.forEach(({ collective }, rank) => {
            if (!collective) return;
            expect(collective.group).toContain(rank);
            if (collective.kind !== 'all_reduce') {
              // Every element comes from one rank, also where several hold it.
              const received = collective.outputCounts.reduce((a, b) => a + b, 0);
              expect(received).toBe(lowered[rank].outputSizes.reduce((a, b) => a * b, 1));
            }
            expect(collective.group).toEqual([...collective.group].sort((a, b) => a - b));
            for (const other of collective.group) {
              expect(lowered[other].collective).toMatchObject({ kind: collective.kind, group: collective.group });
            }
            if (collective.kind === 'permute') {
              expect(lowered[collective.sendTo].collective).toMatchObject({ receiveFrom: rank });
            } else if (collective.kind === 'all_to_all') {
              collective.group.forEach((other, i) => {
                const theirs = lowered[other].collective!;
                expect(theirs.outputCounts[collective.group.indexOf(rank)]).toBe(collective.inputCounts[i]);
              });
            }
          });
        }
      }),
      { numRuns: Math.ceil(runs / 10) },
    );
  });

  test('shard and unshard are inverse, and shard gives the blocks that ranges say', () => {
    fc.assert(
      fc.property(anyReshard(), (s) => {
        const global = Float64Array.from({ length: elementsOf(s.type) }, (_, i) => i + 1);
        const blocks = shard(s.mesh, s.type, s.from, global);
        expect([...unshard(s.mesh, s.type, s.from, blocks)]).toEqual([...global]);
        if (Object.keys(s.from.partial).length > 0) return;
        blocks.forEach((block, rank) => {
          expect([...block]).toEqual(blockByHand(s, s.from, global, coordinatesOf(s.mesh, rank)));
        });
      }),
      { numRuns: Math.ceil(runs / 4) },
    );
  });
});

describe('the paths that the field knows', () => {
  const path = (sizes: Record<string, number>, type: string, from: string, to: string) => {
    const m = mesh(sizes);
    const t = parseType(type);
    const canonical = (text: string) => canonicalLayout(m, t, parseLayout(text));
    return reshardPath(m, t, canonical(from), canonical(to), cost)!.map(
      (move) => `${move.kind} ${move.axes.join('*')}${move.factors.length > 0 ? ` ${move.factors.join(' ')}` : ''}`,
    );
  };
  const activations = 'bf16[batch=8, sequence=256, heads=16, head_dim=64]';
  const hidden = 'bf16[batch=8, sequence=256, dim=384]';

  test.each([
    [
      'Megatron, rows',
      { data: 2, tensor: 4 },
      hidden,
      '{batch:data | sum:tensor}',
      '{batch:data}',
      ['all_reduce tensor'],
    ],
    [
      'sequence parallelism, rows',
      { data: 2, tensor: 4 },
      hidden,
      '{batch:data | sum:tensor}',
      '{batch:data, sequence:tensor}',
      ['reduce_scatter tensor sequence'],
    ],
    [
      'sequence parallelism, columns',
      { data: 2, tensor: 4 },
      hidden,
      '{batch:data, sequence:tensor}',
      '{batch:data}',
      ['all_gather tensor sequence'],
    ],
    [
      'several partial axes are one all-reduce',
      { 'tensor.0': 2, 'tensor.1': 2, data: 2 },
      hidden,
      '{| sum:tensor.0, sum:tensor.1, sum:data}',
      '{}',
      ['all_reduce tensor.0*tensor.1*data'],
    ],
    [
      'several partial axes are one reduce-scatter',
      { 'tensor.0': 2, 'tensor.1': 2 },
      hidden,
      '{| sum:tensor.0, sum:tensor.1}',
      '{sequence:tensor.0*tensor.1}',
      ['reduce_scatter tensor.0*tensor.1 sequence'],
    ],
    [
      'also into several factors',
      { data: 2, tensor: 4 },
      hidden,
      '{| sum:data, sum:tensor}',
      '{batch:data, dim:tensor}',
      ['reduce_scatter data*tensor batch dim'],
    ],
    [
      'Ulysses',
      { context: 4 },
      activations,
      '{sequence:context}',
      '{heads:context}',
      ['all_to_all context sequence heads'],
    ],
    [
      'Ulysses over a product axis',
      { 'context.0': 2, 'context.1': 2 },
      activations,
      '{sequence:context.0*context.1}',
      '{heads:context.0*context.1}',
      ['all_to_all context.0*context.1 sequence heads'],
    ],
    [
      'expert dispatch, however small',
      { expert: 8 },
      'f32[microbatch=8, experts=8, capacity=1, dim=2]',
      '{microbatch:expert}',
      '{experts:expert}',
      ['all_to_all expert microbatch experts'],
    ],
    ['a loss over several axes', { a: 2, b: 2, c: 2 }, 'f32[]', '{| sum:a, sum:b, sum:c}', '{}', ['all_reduce a*b*c']],
    [
      'ZeRO-1, gradients',
      { data: 3 },
      'f32[flat=1000003]',
      '{| sum:data}',
      '{flat:data}',
      ['reduce_scatter data flat'],
    ],
    ['ZeRO-3 gather', { data: 8 }, 'bf16[flat=1000003]', '{flat:data}', '{}', ['all_gather data flat']],
    ['a slice is free', { tensor: 4 }, hidden, '{}', '{dim:tensor}', ['slice tensor dim']],
    [
      'a replicated addend joins a partial sum for nothing',
      { tensor: 4 },
      hidden,
      '{}',
      '{| sum:tensor}',
      ['mask tensor'],
    ],
    ['a split addend too', { tensor: 4 }, hidden, '{dim:tensor}', '{| sum:tensor}', ['pad tensor dim']],
    ['axes of equal length trade places', { a: 4, b: 4 }, hidden, '{dim:a}', '{dim:b}', ['permute a*b dim']],
    ['bounds shift', { data: 2 }, hidden, '{batch:data[0,3,8]}', '{batch:data}', ['all_to_all data batch']],
    [
      'only the axes that differ take part',
      { data: 2, tensor: 2, context: 2 },
      hidden,
      '{batch:data, sequence:context | sum:tensor}',
      '{batch:data, sequence:context}',
      ['all_reduce tensor'],
    ],
    ['nothing to do', { data: 2 }, hidden, '{batch:data[0,4,8]}', '{batch:data}', []],
  ] as const)('%s', (_, sizes, type, from, to, expected) => {
    expect(path(sizes, type, from, to)).toEqual(expected);
  });

  test('a split wanted elsewhere is scattered before the rest is reduced', () => {
    expect(path({ data: 2, tensor: 2 }, hidden, '{| sum:data, sum:tensor}', '{batch:data}')).toEqual([
      'reduce_scatter data batch',
      'all_reduce tensor',
    ]);
  });
});

describe('what a rank does', () => {
  const m = mesh({ tensor: 2 });
  const lower = (type: string, from: string, to: string, rank: number) => {
    const t = parseType(type);
    const [move] = reshardPath(m, t, parseLayout(from), parseLayout(to), cost)!;
    return lowerMove(m, t, move, coordinatesOf(m, rank));
  };

  test('a gather of the outermost factor neither packs nor unpacks, even where it is uneven', () => {
    for (const from of ['{t:tensor}', '{t:tensor[0,1,4]}']) {
      expect(lower('f32[t=4, d=3]', from, '{}', 0)).toMatchObject({ pack: null, unpack: null });
    }
  });

  test('a gather of an inner factor unpacks by one strided copy', () => {
    expect(lower('f32[t=4, d=6]', '{d:tensor}', '{}', 0)).toMatchObject({
      pack: null,
      collective: { kind: 'all_gather', group: [0, 1], inputCounts: [12], outputCounts: [12, 12] },
      unpack: [{ sizes: [2, 4, 3], from: { offset: 0, strides: [12, 3, 1] }, to: { offset: 0, strides: [3, 6, 1] } }],
    });
  });

  test('a slice of the outermost factor is one run: a view would do', () => {
    expect(lower('f32[t=4, d=3]', '{}', '{t:tensor}', 1)).toMatchObject({
      collective: null,
      unpack: [{ sizes: [6], from: { offset: 6, strides: [1] }, to: { offset: 0, strides: [1] } }],
      fill: null,
    });
  });

  test('a mask zeroes all ranks but the first', () => {
    expect(lower('f32[t=4]', '{}', '{| sum:tensor}', 0)).toMatchObject({ unpack: null, fill: null });
    expect(lower('f32[t=4]', '{}', '{| sum:tensor}', 1)).toMatchObject({ unpack: [], fill: 0 });
  });

  test('a padded maximum is filled with minus infinity', () => {
    expect(lower('f32[t=4]', '{t:tensor}', '{| max:tensor}', 1)).toMatchObject({
      unpack: [{ sizes: [2], from: { offset: 0 }, to: { offset: 2 } }],
      fill: -Infinity,
    });
  });

  test('an uneven exchange counts exactly', () => {
    const lowered = lower('f32[t=5, d=3]', '{t:tensor}', '{d:tensor}', 0);
    expect(lowered.collective).toEqual({
      kind: 'all_to_all',
      group: [0, 1],
      inputCounts: [2, 4],
      outputCounts: [2, 3],
    });
  });
});

describe('refusals', () => {
  const m = mesh({ a: 2, b: 2 });
  const t = parseType('f32[p=4, q=4]');

  test.each([
    ['{p:a, q:a}', "axis 'a' has two roles"],
    ['{| sum:a, max:b}', 'partial by sum over one axis and by max over another'],
    ['{r:a}', "no factor 'r'"],
    ['{p:a[0,4]}', 'make 1 parts for 2 ranks'],
    ['{p:a[0,5,4]}', 'decrease'],
    ['{p:a[0,2,5]}', 'run from 0 to 5, not from 0 to 4'],
  ])('%s', (layout, fault) => {
    expect(() => reshardPath(m, t, parseLayout(layout), parseLayout('{}'), cost)).toThrow(fault);
  });

  test('a cost function that forbids what is needed leaves no path, and the message says so', () => {
    const search = new ReshardSearch(m, (c) => (c.kind === 'all_gather' || c.kind === 'all_to_all' ? Infinity : 1));
    const [from, to] = [parseLayout('{p:a}'), parseLayout('{}')];
    expect(search.path(t, from, to)).toBeNull();
    expect(() => search.require(t, from, to, 'blocks.0.mlp.up')).toThrow(/reshard\/no-path[^]*blocks\.0\.mlp\.up/);
  });

  test('replicas that differ are named', () => {
    expect(() =>
      unshard(mesh({ a: 2 }), parseType('f32[p=2]'), parseLayout('{}'), [Float64Array.of(1, 2), Float64Array.of(1, 3)]),
    ).toThrow(/differ at \[p=1\]: 2 and 3/);
  });
});

describe('the search', () => {
  test('is deterministic, and a second question costs nothing', () => {
    const m = mesh({ a: 2, b: 2, c: 2, d: 2 });
    const t = parseType('bf16[p=64, q=48, r=40, s=6, u=8, v=10]');
    const [from, to] = ['{p:a*b, q:c | sum:d}', '{v:b, r:d*a, s:c}'].map(parseLayout);
    const search = new ReshardSearch(m, cost);
    const first = search.path(t, from, to);
    expect(search.path(t, from, to)).toBe(first);
    expect(reshardPath(m, t, from, to, cost)!.map(printMove)).toEqual(first!.map(printMove));
    expect(search.seconds(t, from, to)).toBeLessThan(1);
  });

  test('finds the cheapest path: relaxing every move until nothing improves finds none cheaper', () => {
    // Slow links, so that bytes matter for small values.
    const slow = alphaBeta({ latencySeconds: 1e-6, launchSeconds: 1e-6, bytesPerSecond: 1e7, copyBytesPerSecond: 1e9 });
    fc.assert(
      fc.property(anyReshard(), (s) => {
        const factors = factorsOf(s.type);
        const seconds = new Map([[printLayout(s.from), 0]]);
        for (let round = [s.from]; round.length > 0;) {
          const improved: Layout[] = [];
          for (const at of round) {
            for (const move of movesFrom(s.mesh, factors, at, s.to)) {
              const here = seconds.get(printLayout(at))! + slow(communicationOf(s.mesh, factors, move, 8));
              if (here >= (seconds.get(printLayout(move.to)) ?? Infinity) - 1e-15) continue;
              seconds.set(printLayout(move.to), here);
              improved.push(move.to);
            }
          }
          round = improved;
        }
        const found = new ReshardSearch(s.mesh, slow).seconds(s.type, s.from, s.to);
        expect(found).toBeCloseTo(seconds.get(printLayout(s.to))!, 12);
      }),
      { numRuns: Math.ceil(runs / 6) },
    );
  });

  test('a story tells where values first part', () => {
    const s = scenario(mesh({ a: 2 }), parseType('f64[p=2]'), { ...plain, roles: [2] }, plain);
    const [move] = reshardPath(s.mesh, s.type, s.from, s.to, cost)!;
    const wrong: Move = { ...move, reduction: 'max' };
    expect(() => follow(s, [wrong])).toThrow(/first {3}\[p=0\] {2}expected .* got .*\n {2}made by all_reduce/);
    expect(runMove(s.mesh, s.type, move, pieces(s).blocks)).toHaveLength(2);
  });
});

const plain: LayoutDraw = { roles: [0], turn: 0, uneven: [0], hops: [0], reduction: 'sum' };
