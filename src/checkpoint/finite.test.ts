import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FiniteScan } from './finite.js';
import { openLatest } from './load.js';
import { memoryDisk } from './memory_disk.js';
import { saveCheckpoint } from './save.js';
import { parameters, patternBytes, saveOptionsAt } from './testing.js';
import { memorySource } from './tensor.js';

/** Scans bytes in chunks of these sizes, over and over. */
function scan(dtype: ConstructorParameters<typeof FiniteScan>[0], bytes: Uint8Array, sizes: readonly number[]) {
  const one = new FiniteScan(dtype);
  for (let at = 0, k = 0; at < bytes.length; k++) {
    const size = sizes[k % sizes.length];
    const found = one.next(bytes.subarray(at, at + size));
    if (found !== null) return found;
    at += size;
  }
  return null;
}

const anyChunks = fc.array(fc.integer({ min: 1, max: 11 }), { minLength: 1, maxLength: 5 });

test('the first number that is not finite is found, however the bytes are cut', () => {
  const anyNumber = fc.oneof(
    { weight: 9, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true, min: -3e38, max: 3e38 }) },
    fc.constantFrom(NaN, Infinity, -Infinity),
  );
  fc.assert(
    fc.property(fc.array(anyNumber, { maxLength: 20 }), anyChunks, (numbers, chunks) => {
      for (const [dtype, Numbers] of [
        ['f32', Float32Array],
        ['f64', Float64Array],
      ] as const) {
        const array = new Numbers(numbers);
        const first = array.findIndex((number) => !Number.isFinite(number));
        expect(scan(dtype, new Uint8Array(array.buffer), chunks), dtype).toBe(first < 0 ? null : first);
      }
      // bf16 is the upper half of an f32.
      const halves = Uint16Array.from(new Uint32Array(new Float32Array(numbers).buffer), (word) => word >>> 16);
      const values = new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
      const first = values.findIndex((number) => !Number.isFinite(number));
      expect(scan('bf16', new Uint8Array(halves.buffer), chunks)).toBe(first < 0 ? null : first);
    }),
  );
});

test('integers are any bytes, and each float type has its own exponent', () => {
  expect(scan('i32', new Uint8Array(8).fill(255), [3])).toBeNull();
  // The largest number and infinity of IEEE binary16 and of the two eight-bit types (Micikevicius et al. 2022).
  expect(scan('f16', Uint8Array.from([0xff, 0x7b, 0x00, 0x7c]), [2])).toBe(1);
  expect(scan('f8_e5m2', Uint8Array.from([0x7b, 0x7c]), [1])).toBe(1);
  expect(scan('f8_e4m3', Uint8Array.from([0x7e, 0xff]), [1])).toBe(1);
});

test('a state with such a number is not saved, and the checkpoint before stays, whatever `keep` says', async () => {
  const directory = '/run/checkpoints';
  const disk = memoryDisk();
  await saveCheckpoint(disk, directory, saveOptionsAt(10, 1));
  const [embedding, ...others] = saveOptionsAt(20, 1).model;
  const values = new Float32Array(20).fill(1).with(7, -Infinity);
  const model = [memorySource(embedding, values), ...others];
  const save = saveCheckpoint(disk, directory, { ...saveOptionsAt(20, 1), model });
  await expect(save).rejects.toMatchObject({
    code: 'checkpoint/not-finite',
    message: expect.stringMatching(
      /^after step 20 element \[1, 3\] of 'embedding.weight' is not finite.*before is intact: \/run\/checkpoints\/step-000010/s,
    ),
  });
  expect(await disk.list(directory)).toEqual(['latest', 'step-000010']);
  const checkpoint = await openLatest(disk, directory);
  expect(await checkpoint.read(parameters[0].name)).toEqual(patternBytes(parameters[0], 10));
});
