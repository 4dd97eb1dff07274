import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placeIn, tileSizes, type Tile } from '../reshard/region.js';
import { addContent, type HashedBox } from './content_hash.js';
import { encode, type HostArray } from './host_array.js';
import { loadAddon } from './native/bridge.js';

const hashOf = (boxes: readonly (readonly [HostArray, HashedBox])[]): readonly number[] => {
  const sums = new Uint32Array(2);
  for (const [block, box] of boxes) addContent(sums, block, box);
  return [...sums];
};

/** A tile of a tensor as the only content of a block. */
function boxOf(whole: Tile, tile: Tile): HashedBox {
  const { offset, strides } = placeIn(whole, tile);
  return { at: 0, start: offset, sizes: tileSizes(tile), strides };
}

/** The elements of a tile, row-major: each one twice its place in the whole, and a little. */
function elementsOf(whole: Tile, tile: Tile): readonly number[] {
  const { offset, strides } = placeIn(whole, tile);
  const elements: number[] = [];
  const descend = (d: number, at: number): void => {
    if (d === tile.length) return void elements.push(2 * at + 0.5);
    for (let k = 0; k < tile[d][1] - tile[d][0]; k++) descend(d + 1, at + k * strides[d]);
  };
  descend(0, offset);
  return elements;
}

const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 });
const dtypes = fc.constantFrom('f64', 'f32', 'bf16', 'i64', 'bool');

/** Cut along one dimension into up to three parts. */
const cuts = fc.record({ sizes, dtype: dtypes, dimension: fc.nat(), bounds: fc.tuple(fc.nat(7), fc.nat(7)) });

function partsOf({ sizes, dimension, bounds }: { sizes: number[]; dimension: number; bounds: [number, number] }) {
  const whole: Tile = sizes.map((size) => [0, size] as const);
  const d = dimension % sizes.length;
  const at = [0, ...bounds.map((bound) => Math.min(bound, sizes[d])).sort((a, b) => a - b), sizes[d]];
  const parts = at.slice(1).map((to, i): Tile => whole.map((range, k) => (k === d ? [at[i], to] : range)));
  return { whole, parts };
}

test('hashes of parts add up to the hash of the whole, wherever it is cut', () => {
  fc.assert(
    fc.property(cuts, (cut) => {
      const { whole, parts } = partsOf(cut);
      const block = (tile: Tile) => encode(cut.dtype, elementsOf(whole, tile));
      const of = (tile: Tile) => [block(tile), boxOf(whole, tile)] as const;
      expect(hashOf(parts.map(of))).toEqual(hashOf([of(whole)]));
    }),
  );
});

test('a single bit changes the hash, and so do two elements that change places', () => {
  const whole: Tile = [[0, 100]];
  const values = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i));
  const of = (block: Float32Array) => hashOf([[block, boxOf(whole, whole)]]);
  const changed = values.slice();
  new Uint32Array(changed.buffer)[57] ^= 1;
  const swapped = values.slice();
  [swapped[3], swapped[4]] = [swapped[4], swapped[3]];
  expect(new Set([of(values), of(changed), of(swapped)].map(String)).size).toBe(3);
});

test('the addon comes to the same numbers, in arenas and on threads', async () => {
  using engine = loadAddon().open({ device: 'cpu', threads: 2, arenaBytes: 1 << 20 });
  await fc.assert(
    fc.asyncProperty(cuts, fc.nat(3), async (cut, shift) => {
      const { whole, parts } = partsOf(cut);
      const offset = 64 * shift;
      let [at, expected] = [offset, [] as number[]];
      const boxes = [];
      for (const [hash, tile] of parts.entries()) {
        const block = encode(cut.dtype, elementsOf(whole, tile));
        const { at: _, ...box } = boxOf(whole, tile);
        boxes.push({ hash, offset: at, elementBytes: block.BYTES_PER_ELEMENT, ...box });
        await engine.write(at, new Uint8Array(block.buffer));
        at += block.byteLength;
        expected = [...expected, ...hashOf([[block, { at: 0, ...box }]])];
      }
      expect([...(await engine.hash(boxes, parts.length))]).toEqual(expected);
    }),
    { numRuns: 50 },
  );
  const long = Float32Array.from({ length: 100_000 }, (_, i) => Math.cos(i));
  await engine.write(0, new Uint8Array(long.buffer));
  const box = { start: 3, sizes: [long.length], strides: [1] };
  expect([...(await engine.hash([{ hash: 0, offset: 0, elementBytes: 4, ...box }], 1))]).toEqual(
    hashOf([[long, { at: 0, ...box }]]),
  );
});
