import fc from 'fast-check';
import { expect, test } from 'vitest';
import { getLong, setLong } from './long_text.js';
import { sharedStore } from './testing/shared_store.js';

test('a text comes as it was, whatever is in it, in pieces that are no longer than asked', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.integer({ min: 1, max: 7 }),
      async (text, length) => {
        const [one, other] = sharedStore(2, () => Promise.resolve());
        const lengths: number[] = [];
        const told = getLong(other, 'text');
        const set = (key: string, piece: string) => {
          // As it goes over a wire.
          if (key !== 'text') lengths.push([...piece].length);
          return one.set(key, new TextDecoder().decode(new TextEncoder().encode(piece)));
        };
        await setLong({ set }, 'text', text, length);
        expect(await told).toBe(text);
        expect(Math.max(0, ...lengths)).toBeLessThanOrEqual(length);
      },
    ),
  );
});

test('a number of pieces that is none is no text, and nobody waits for its pieces', async () => {
  for (const count of ['Infinity', '1000000000', '0.5', 'abc', '-1'])
    expect(await getLong({ get: (key) => Promise.resolve(key === 'k' ? count : expect.fail(key)) }, 'k')).toBe('');
});
