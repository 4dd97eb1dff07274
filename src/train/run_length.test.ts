import { expect, test } from 'vitest';
import { decidedAfter, stepsOfMinutes, validationOverhead } from './run_length.js';

test('ten timed steps make a number of steps of the minutes; the two before them are slower and do not count', () => {
  const stepSeconds = [5, 3, ...Array.from({ length: 10 }, () => 0.5)];
  expect(stepSeconds).toHaveLength(decidedAfter);
  // 13 s are spent, 47 are left.
  expect(stepsOfMinutes({ minutes: 1, stepSeconds, overhead: 0 })).toBe(12 + 94);
});

test('validation takes its share of the time', () => {
  const overhead = validationOverhead({ every: 10, batches: 6 });
  expect(overhead).toBeCloseTo(0.2);
  const stepSeconds = new Array<number>(12).fill(1);
  expect(stepsOfMinutes({ minutes: 1, stepSeconds, overhead })).toBe(12 + 40);
  expect(validationOverhead({ every: null, batches: 6 })).toBe(0);
});

test('a run that is over its minutes already does one more step, so that its schedule has an end', () => {
  expect(stepsOfMinutes({ minutes: 0.1, stepSeconds: new Array<number>(12).fill(1), overhead: 0 })).toBe(13);
});
