import { expect, test } from 'vitest';
import type { Entry } from './slot.js';
import { scheduleTable } from './table.js';

const show = (slots: readonly Entry[]) =>
  slots.map((s) => ('woven' in s ? '' : `${s.direction[0].toUpperCase()}${s.microbatch}`)).join(' ');

test('1f1b on two stages and three microbatches is the figure of the paper', () => {
  const table = scheduleTable('1f1b', 2, 3);
  expect(show(table[0])).toBe('F0 F1 B0 F2 B1 B2');
  expect(show(table[1])).toBe('F0 B0 F1 B1 F2 B2');
});

test('every schedule runs each microbatch once in each direction, forward first, and 1f1b bounds what is in flight', () => {
  for (const kind of ['gpipe', '1f1b'] as const) {
    for (const stages of [1, 2, 3, 4]) {
      for (const microbatches of [1, 2, 3, 8]) {
        scheduleTable(kind, stages, microbatches).forEach((slots, stage) => {
          let [inFlight, most] = [0, 0];
          const seen = new Set<string>();
          for (const entry of slots) {
            if ('woven' in entry) throw new Error('neither weaves');
            const { direction, microbatch } = entry;
            if (direction === 'backward') expect(seen.has(`forward${microbatch}`)).toBe(true);
            seen.add(`${direction}${microbatch}`);
            inFlight += direction === 'forward' ? 1 : -1;
            most = Math.max(most, inFlight);
          }
          expect(seen.size).toBe(2 * microbatches);
          if (kind === '1f1b') expect(most).toBeLessThanOrEqual(Math.min(stages - stage, microbatches));
        });
      }
    }
  }
});

test('an unknown schedule is refused with the nearest name', () => {
  expect(() => scheduleTable('1b1f' as never, 2, 2)).toThrow(/1f1b/);
});
