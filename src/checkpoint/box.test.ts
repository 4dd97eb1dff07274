import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryDisk } from './memory_disk.js';
import { openSafetensors, writeSafetensors } from './safetensors.js';
import type { TensorInfo } from './tensor.js';
import { storedDTypeBytes } from './tensor.js';
import type { Box } from './box.js';
import { contiguousRuns, readBox } from './box.js';
import { patternBytes, patternSource } from './testing.js';

const anyTile = fc
  .array(
    fc
      .integer({ min: 1, max: 4 })
      .chain((size) =>
        fc
          .tuple(fc.integer({ min: 0, max: size }), fc.integer({ min: 0, max: size }))
          .map(([a, b]) => ({ size, begin: Math.min(a, b), end: Math.max(a, b) })),
      ),
    { maxLength: 4 },
  )
  .map((dimensions): Box => ({
    view: dimensions.map(({ size }) => size),
    begin: dimensions.map(({ begin }) => begin),
    end: dimensions.map(({ end }) => end),
  }));

/** Element by element, from the definition: the indices of the box in row-major order. */
function boxIndices({ view, begin, end }: Box): number[] {
  let indices = [0];
  view.forEach((size, k) => {
    indices = indices.flatMap((index) =>
      Array.from({ length: end[k] - begin[k] }, (_, offset) => index * size + begin[k] + offset),
    );
  });
  return indices;
}

test('a tile is its elements, one by one', async () => {
  await fc.assert(
    fc.asyncProperty(anyTile, fc.constantFrom('f32' as const, 'bf16' as const), async (tile, dtype) => {
      const disk = memoryDisk();
      await disk.makeDirectory('/d');
      const tensor: TensorInfo = { name: 'w', dtype, shape: [tile.view.reduce((product, size) => product * size, 1)] };
      await writeSafetensors(disk, '/d/x', [patternSource(tensor, 2)]);
      const bytes = patternBytes(tensor, 2);
      const width = storedDTypeBytes[dtype];
      const expected = boxIndices(tile).flatMap((index) => [...bytes.subarray(index * width, (index + 1) * width)]);
      expect([...(await readBox(await openSafetensors(disk, '/d/x'), 'w', tile))]).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});

test('whole inner dimensions make long runs', () => {
  // Rows 2..4 of [6, 8] are one run; heads 1..3 of 4 in [2, 3 × 4 × 5] are one run per row and third.
  expect(contiguousRuns({ view: [6, 8], begin: [2, 0], end: [4, 8] })).toEqual({ runElements: 16, starts: [16] });
  expect(contiguousRuns({ view: [2, 3, 4, 5], begin: [0, 0, 1, 0], end: [2, 3, 3, 5] })).toEqual({
    runElements: 10,
    starts: [5, 25, 45, 65, 85, 105],
  });
});

test('runs far apart are read one by one, near ones together', async () => {
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  const tensor: TensorInfo = { name: 'w', dtype: 'u8', shape: [4, 100_000] };
  await writeSafetensors(disk, '/d/x', [patternSource(tensor, 1, 50_000)]);
  const reads: [number, number][] = [];
  const counting = {
    ...disk,
    open: async (path: string) => {
      const file = await disk.open(path);
      return { ...file, read: (begin: number, end: number) => (reads.push([begin, end]), file.read(begin, end)) };
    },
  };
  const file = await openSafetensors(counting, '/d/x');
  reads.length = 0;
  const bytes = patternBytes(tensor, 1);
  const narrow = await readBox(file, 'w', { view: [4, 100_000], begin: [1, 10], end: [3, 20] });
  expect(narrow).toEqual(Uint8Array.of(...bytes.subarray(100_010, 100_020), ...bytes.subarray(200_010, 200_020)));
  expect(reads.map(([begin, end]) => end - begin)).toEqual([10, 10]);
  reads.length = 0;
  await readBox(file, 'w', { view: [4, 100_000], begin: [1, 10], end: [3, 90_000] });
  expect(reads.map(([begin, end]) => end - begin)).toEqual([189_990]);
});

test('a box outside the tensor is refused', async () => {
  const disk = memoryDisk();
  await disk.makeDirectory('/d');
  await writeSafetensors(disk, '/d/x', [patternSource({ name: 'w', dtype: 'f32', shape: [4] }, 1)]);
  const file = await openSafetensors(disk, '/d/x');
  await expect(readBox(file, 'w', { view: [2, 2], begin: [0, 1], end: [2, 3] })).rejects.toThrow(RangeError);
  await expect(readBox(file, 'w', { view: [5], begin: [0], end: [4] })).rejects.toThrow(RangeError);
});
