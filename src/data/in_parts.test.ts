import fc from 'fast-check';
import { expect, test } from 'vitest';
import { atOnce, withRests, type InParts } from './in_parts.js';

/** Works for so many milliseconds a part, and ends with their number. */
function* parts(milliseconds: readonly number[]): InParts<number> {
  for (const [done, time] of milliseconds.entries()) {
    yield { done, total: milliseconds.length, unit: 'parts' };
    const until = performance.now() + time;
    while (performance.now() < until);
  }
  return milliseconds.length;
}

test('with rests and at once the work comes to the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(0, 0, 0, 30, 60), { maxLength: 6 }), async (times) => {
      expect(await withRests(parts(times), () => {})).toBe(times.length);
      expect(atOnce(parts(times))).toBe(times.length);
    }),
    { numRuns: 10 },
  );
});

test('whoever waits for the event loop gets it between two parts, and is told how far it is', async () => {
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  const told: number[] = [];
  await withRests(parts(Array.from({ length: 8 }, () => 60)), ({ done }) => told.push(done));
  clearInterval(ticking);
  expect(told).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(turns).toBeGreaterThanOrEqual(6);
});

test('an error of the work is the caller’s', async () => {
  function* failing(): InParts<never> {
    yield { done: 0, total: 1, unit: 'parts' };
    throw new RangeError('no such part');
  }
  await expect(withRests(failing(), () => {})).rejects.toThrow('no such part');
  expect(() => atOnce(failing())).toThrow('no such part');
});
