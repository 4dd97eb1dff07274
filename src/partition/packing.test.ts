import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyLayoutDraw, anyMesh, anyType, fitLayout } from '../../tests/arbitraries/layouts.js';
import { boundsOf, evenBounds, rangeOf, tileOf, type Layout } from '../ir/layout.js';
import { axesSize, coordinatesOf, mesh, meshRanks, type Mesh } from '../ir/mesh.js';
import { elementsOf, parseType, sizesOf, type TensorType } from '../ir/type.js';
import { parseLayout } from '../ir/layout.js';
import { boxesOf, tileElements } from '../reshard/region.js';
import { elementsFactor, heldBy, pack, packedAxes, packedType, unpack, type PackedTensor } from './packing.js';

/** Element indices of a tile in the whole tensor, row-major, by counting. */
function indicesOf(type: TensorType, tile: readonly (readonly [number, number])[]): number[] {
  const sizes = sizesOf(type);
  let indices = [0];
  tile.forEach(([from, to], d) => {
    indices = indices.flatMap((index) => Array.from({ length: to - from }, (_, i) => index * sizes[d] + from + i));
  });
  return indices;
}

interface Drawn {
  readonly m: Mesh;
  readonly tensors: readonly PackedTensor[];
}

/** Tensors of any shape, those kept that are split over the same axes as the first. */
const anyTensors = (): fc.Arbitrary<Drawn> =>
  fc
    .record({
      m: anyMesh(),
      draws: fc.array(fc.record({ type: anyType({ maxFactors: 3 }), layout: anyLayoutDraw() }), {
        minLength: 1,
        maxLength: 6,
      }),
    })
    .map(({ m, draws }) => {
      const all = draws.map(({ type, layout }) => ({
        name: '',
        type,
        layout: { ...fitLayout(m, type, layout), partial: {} },
      }));
      const axes = packedAxes(m, all).join();
      const alike = all.filter((tensor) => packedAxes(m, [tensor]).join() === axes);
      return { m, tensors: alike.map((tensor, i) => ({ ...tensor, name: `t${i}` })) };
    });

test('a rank holds its own blocks, one behind the other; a further cut shares them out without loss', () => {
  fc.assert(
    fc.property(anyTensors(), fc.constantFrom(1, 2, 3, 5), ({ m, tensors }, cuts) => {
      const { type, layout } = packedType(m, 'f64', tensors);
      const globals = tensors.map((tensor, t) =>
        Float64Array.from({ length: elementsOf(tensor.type) }, (_, i) => 1000 * t + i),
      );
      const packed = pack(m, tensors, globals);
      expect(unpack(m, tensors, packed).map((one) => [...one])).toEqual(globals.map((one) => [...one]));

      const cutter: Mesh = { axes: [...m.axes, { name: 'cut', size: cuts }] };
      const cut = cutOver(cutter, type, layout, 'cut');
      for (let rank = 0; rank < meshRanks(m); rank++) {
        const at = coordinatesOf(m, rank);
        const [from, to] = rangeOf(m, layout.splits[elementsFactor], elementsOf(type), at);
        const own = tensors.flatMap((tensor, t) =>
          indicesOf(tensor.type, tileOf(m, tensor.type, tensor.layout, at)).map((i) => 1000 * t + i),
        );
        expect([...packed.subarray(from, to)]).toEqual(own);

        const shared = Array.from({ length: cuts }, (_, part) => heldBy(cutter, tensors, cut, { ...at, cut: part }));
        const held = shared.flatMap((list) =>
          list.flatMap(({ name, type: whole, boxes, elements }) => {
            const indices = boxes.flatMap((box) => indicesOf(whole, box));
            expect(indices).toHaveLength(elements);
            return indices.map((i) => 1000 * Number(name.slice(1)) + i);
          }),
        );
        expect(held).toEqual(own);
      }
    }),
  );
});

/** Every block cut evenly over one more axis. */
function cutOver(m: Mesh, type: TensorType, layout: Layout, axis: string): Layout {
  const split = layout.splits[elementsFactor] ?? { axes: [] };
  const blocks = boundsOf(m, split, elementsOf(type));
  const ends = blocks.slice(1).flatMap((end, i) =>
    evenBounds(end - blocks[i], axesSize(m, [axis]))
      .slice(1)
      .map((bound) => blocks[i] + bound),
  );
  return { splits: { [elementsFactor]: { axes: [...split.axes, axis], bounds: [0, ...ends] } }, partial: {} };
}

test('the boxes of a run of a box are its elements, in order', () => {
  const box = fc.array(fc.tuple(fc.nat(3), fc.nat(4)), { maxLength: 4 });
  fc.assert(
    fc.property(box, fc.nat(300), fc.nat(300), (sides, a, b) => {
      const tile = sides.map(([from, size]) => [from, from + size] as const);
      const count = tileElements(tile);
      const [from, to] = [Math.min(a, b, count), Math.min(Math.max(a, b), count)];
      const type = parseType(`f64[${sides.map(([start, size], i) => `d${i}=${start + size}`).join(', ')}]`);
      const boxes = boxesOf(tile, [from, to]);
      expect(boxes.flatMap((one) => indicesOf(type, one))).toEqual(indicesOf(type, tile).slice(from, to));
      expect(boxes.length).toBeLessThanOrEqual(Math.max(1, 2 * tile.length - 1));
    }),
  );
});

test('heads over two tensor ranks, seven of them: five and two', () => {
  const m = mesh({ tensor: 2 });
  const w = { name: 'w', type: parseType('f32[heads=7, dim=2]'), layout: parseLayout('{heads:tensor[0,5,7]}') };
  const b = { name: 'b', type: parseType('f32[heads=7]'), layout: parseLayout('{heads:tensor[0,5,7]}') };
  const { layout } = packedType(m, 'f32', [w, b]);
  expect(layout).toEqual(parseLayout('{elements:tensor[0,15,21]}'));
  expect(heldBy(m, [w, b], layout, { tensor: 1 }).map(({ name, boxes, start }) => ({ name, boxes, start }))).toEqual([
    {
      name: 'w',
      boxes: [
        [
          [5, 7],
          [0, 2],
        ],
      ],
      start: 0,
    },
    { name: 'b', boxes: [[[5, 7]]], start: 4 },
  ]);
});
