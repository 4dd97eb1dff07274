import { expect, test } from 'vitest';
import { constant, cosine, learningRate, linear } from './schedule.js';

test('warm-up is linear from zero and reaches the peak after `warmup` steps', () => {
  const schedule = cosine({ peak: 1, warmup: 4, steps: 12 });
  expect([0, 1, 2, 3, 4].map((step) => learningRate(schedule, step, 0))).toEqual([0, 0.25, 0.5, 0.75, 1]);
});

test('a cosine is halfway down in the middle of what warm-up leaves, and at the floor from the last step on', () => {
  const schedule = cosine({ peak: 1, warmup: 4, steps: 12, floor: 0.2 });
  expect(learningRate(schedule, 8, 0)).toBeCloseTo(0.6, 15);
  expect(learningRate(schedule, 12, 0)).toBe(0.2);
  expect(learningRate(schedule, 99, 0)).toBe(0.2);
});

test('a line falls by equal parts', () => {
  const schedule = linear({ peak: 8, steps: 4 });
  expect([0, 1, 2, 3, 4].map((step) => learningRate(schedule, step, 0))).toEqual([8, 6, 4, 2, 0]);
});

test('a constant never falls, whatever the length of the run', () => {
  const schedule = constant({ peak: 3, warmup: 2 });
  expect([0, 1, 2, 1000].map((step) => learningRate(schedule, step, 10))).toEqual([0, 1.5, 3, 3]);
});

test('a schedule without steps of its own follows the run', () => {
  expect(learningRate(linear({ peak: 1 }), 5, 10)).toBe(0.5);
});

test('a negative number is refused by name', () => {
  expect(() => cosine({ peak: 1, warmup: -1 })).toThrow(/warmup = -1/);
});
