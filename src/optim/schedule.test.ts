import { expect, test } from 'vitest';
import { adamw, type AdamWOptions } from './options.js';
import { learningRate } from './schedule.js';

/** The rates of `steps`, of a run of `runSteps`. */
const rates = (options: AdamWOptions, steps: readonly number[], runSteps = 0): readonly number[] =>
  steps.map((step) => learningRate(adamw(options), step, runSteps));

test('warm-up is linear, its first step already moves, and the step behind it is at the peak', () => {
  const schedule = { lr: 1, warmup_steps: 4, decay_steps: 12 };
  expect(rates(schedule, [0, 1, 2, 3, 4])).toEqual([0.2, 0.4, 0.6, 0.8, 1]);
  expect(rates({ ...schedule, warmup_init: 0.5 }, [0, 4])).toEqual([0.6, 1]);
});

test('a cosine is halfway down in the middle of what warm-up leaves, and at the floor from the last step on', () => {
  const [middle, ...after] = rates({ lr: 1, warmup_steps: 4, decay_steps: 12, min_lr_ratio: 0.2 }, [8, 12, 99]);
  expect(middle).toBeCloseTo(0.6, 15);
  expect(after).toEqual([0.2, 0.2]);
});

test('a line falls by equal parts', () => {
  const line = { lr: 8, schedule: 'linear', decay_steps: 4, warmup_steps: 0, min_lr_ratio: 0 } as const;
  expect(rates(line, [0, 1, 2, 3, 4])).toEqual([8, 6, 4, 2, 0]);
});

test('a constant never falls, whatever the length of the run', () => {
  expect(rates({ lr: 3, schedule: 'constant', warmup_steps: 2 }, [0, 1, 2, 1000], 10)).toEqual([1, 2, 3, 3]);
});

test('a schedule without steps of its own follows the run, its warm-up too', () => {
  expect(rates({ lr: 1, schedule: 'linear', warmup_steps: 0, min_lr_ratio: 0 }, [5], 10)).toEqual([0.5]);
  expect(rates({ lr: 1, schedule: 'constant' }, [0, 1, 2], 20)).toEqual([1 / 3, 2 / 3, 1]);
  expect(rates({ lr: 1, schedule: 'constant' }, [199, 200], 1e6)).toEqual([200 / 201, 1]);
});

test('a negative number is refused by name', () => {
  expect(() => adamw({ lr: 1, warmup_steps: -1 })).toThrow(/'warmup_steps' must be an integer or null ≥ 0/);
});
