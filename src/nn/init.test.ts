import fc from 'fast-check';
import { expect, test } from 'vitest';
import { initialValues, normal, ones, zeros } from './init.js';

const key = { seed: 7, name: 'blocks.0.mlp.up.weight' };

test('any slice holds the same bits as the whole', () => {
  const whole = initialValues(normal(1), key, 0, 64);
  fc.assert(
    fc.property(fc.nat(63), fc.nat(64), (start, end) => {
      fc.pre(start < end);
      expect(initialValues(normal(1), key, start, end - start)).toEqual(whole.slice(start, end));
    }),
  );
});

test('a normal parameter has the mean, the deviation and the tails of a normal distribution', () => {
  const std = 0.02;
  const n = 200_000;
  const values = initialValues(normal(std), key, 0, n);
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const variance = values.reduce((a, b) => a + b * b, 0) / n;
  const beyond = (z: number) => values.filter((v) => Math.abs(v) > z * std).length / n;
  // Five standard errors of each statistic.
  expect(Math.abs(mean)).toBeLessThan((5 * std) / Math.sqrt(n));
  expect(Math.abs(variance / std ** 2 - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
  expect(Math.abs(beyond(1) - 0.317311)).toBeLessThan(5 * Math.sqrt(0.317 * 0.683 * (1 / n)));
  expect(Math.abs(beyond(3) - 0.0027)).toBeLessThan(5 * Math.sqrt(0.0027 / n));
});

test('seeds and names give unlike values', () => {
  const values = (seed: number, name: string) => initialValues(normal(1), { seed, name }, 0, 4).join();
  expect(new Set([values(1, 'a'), values(2, 'a'), values(1, 'b'), values(2, 'b')]).size).toBe(4);
});

test('zeros and ones are what they say', () => {
  expect([...initialValues(zeros, key, 5, 2), ...initialValues(ones, key, 5, 2)]).toEqual([0, 0, 1, 1]);
});

test('a standard deviation is a number, finite and not negative', () => {
  for (const wrong of [NaN, Infinity, -1, { std: 1 }, '0.02', undefined])
    expect(() => normal(wrong as number)).toThrow('nn/bad-init');
  expect(normal(0)).toEqual({ kind: 'normal', std: 0 });
});
