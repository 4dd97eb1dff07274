/** Runs of bytes against an array that remembers every byte. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteMap } from './byte_map.js';

interface Byte {
  readonly write: number;
  /** Where the write began and ended. */
  readonly start: number;
  readonly end: number;
}

const writes = fc.array(
  fc.record({ start: fc.integer({ min: 0, max: 40 }), length: fc.integer({ min: 1, max: 20 }) }),
  { maxLength: 30 },
);

test('after any writes a run is whole exactly where no later write has touched it', () => {
  fc.assert(
    fc.property(writes, (list) => {
      const map = new ByteMap(1);
      const bytes: (Byte | undefined)[] = [];
      list.forEach(({ start, length }, write) => {
        const end = start + length;
        map.write(start, end, { value: write, microbatch: -1, parts: null }, 0, write + 1, write);
        for (let b = start; b < end; b++) bytes[b] = { write, start, end };
      });
      list.forEach(({ start, length }) => {
        const end = start + length;
        const there = Array.from({ length }, (_, i) => bytes[start + i]);
        const [first] = there;
        const whole = there.every((b) => b && b.write === first!.write) && first!.start === start && first!.end === end;
        expect(map.exactly(start, end)?.content?.value ?? null).toBe(whole ? first!.write : null);
        // Every byte's last writer is remembered, whole or not.
        const writers = new Set(map.overlapping(start, end).map((run) => run.launch));
        expect(writers).toEqual(new Set(there.flatMap((b) => (b ? [b.write] : []))));
      });
    }),
  );
});

test('what is left of an overwritten run keeps its readers', () => {
  const map = new ByteMap(2);
  map.write(0, 10, { value: 1, microbatch: -1, parts: null }, 0, 1, 0);
  map.exactly(0, 10)!.readers[1] = 5;
  map.write(4, 6, { value: 2, microbatch: -1, parts: null }, 0, 2, 1);
  const [left, , right] = map.overlapping(0, 10);
  expect([left.content, right.content]).toEqual([null, null]);
  expect([left.readers[1], right.readers[1]]).toEqual([5, 5]);
});
