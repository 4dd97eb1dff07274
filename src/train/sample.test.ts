import { expect, test } from 'vitest';
import { chooseToken, uniformNumbers } from './sample.js';

const logits = Float64Array.of(0, Math.log(3), -Infinity, Math.log(2));
const options = { temperature: 1, top_k: 0, random: 0 };

test('temperature zero takes the likeliest, the first of equals', () => {
  expect(chooseToken(logits, { ...options, temperature: 0 })).toBe(1);
  expect(chooseToken(Float64Array.of(1, 5, 5), { ...options, temperature: 0 })).toBe(1);
});

test('tokens come as often as softmax says; impossible ones never', () => {
  const random = uniformNumbers(7);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 6000; i++) counts[chooseToken(logits, { ...options, random: random(i) })]++;
  [1000, 3000, 0, 2000].forEach((expected, id) => expect(Math.abs(counts[id] - expected)).toBeLessThan(120));
});

test('top-k draws from the likeliest alone; a low temperature prefers them', () => {
  const random = uniformNumbers(1);
  const drawn = new Set(
    Array.from({ length: 500 }, (_, i) => chooseToken(logits, { ...options, top_k: 2, random: random(i) })),
  );
  expect([...drawn].sort()).toEqual([1, 3]);
  expect(chooseToken(logits, { ...options, temperature: 0.01, random: 0.999 })).toBe(1);
});

test('a seed is a sequence in [0, 1), and any number of it can be had without the others', () => {
  const [first, other] = [uniformNumbers(3), uniformNumbers(4)];
  const numbers = Array.from({ length: 1000 }, (_, i) => first(i));
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  expect(numbers.reduce((a, b) => a + b) / 1000).toBeCloseTo(0.5, 1);
  expect(uniformNumbers(3)(999)).toBe(numbers[999]);
  expect(other(0)).not.toBe(numbers[0]);
});
