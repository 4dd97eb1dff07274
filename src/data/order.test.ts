import fc from 'fast-check';
import { expect, test } from 'vitest';
import { permute, sequenceAt } from './order.js';

const anySeed = fc.maxSafeInteger();

test('every epoch has every sequence once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), anySeed, fc.nat(1000), (n, seed, epoch) => {
      const order = Array.from({ length: n }, (_, index) => permute(index, n, seed, epoch));
      expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }),
  );
});

test('samples counted on through the epochs: each epoch is the next permutation', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), anySeed, fc.nat(3), (sequences, seed, epoch) => {
      const read = Array.from({ length: sequences }, (_, i) =>
        sequenceAt({ seed, sample: epoch * sequences + i, sequences }),
      );
      expect(read).toEqual(Array.from({ length: sequences }, (_, i) => permute(i, sequences, seed, epoch)));
    }),
  );
});

test('epochs and seeds differ, and an order is not sorted in any part', () => {
  const n = 1000;
  const order = (seed: number, epoch: number) => Array.from({ length: n }, (_, i) => permute(i, n, seed, epoch));
  const agreement = (a: number[], b: number[]) => a.filter((x, i) => x === b[i]).length;
  const orders = [
    order(0, 0),
    order(0, 1),
    order(1, 0),
    order(2 ** 32, 0),
    order(-1, 0),
    Array.from({ length: n }, (_, i) => i),
  ];
  for (const a of orders) for (const b of orders) if (a !== b) expect(agreement(a, b)).toBeLessThan(12); // Poisson of mean 1
  const rising = orders[0].filter((x, i) => i > 0 && x > orders[0][i - 1]).length;
  expect(Math.abs(rising - n / 2)).toBeLessThan(60); // standard deviation √(n/12) ≈ 9
});

test('each position takes each value about equally often over the epochs', () => {
  const n = 10;
  const epochs = 5000;
  let chiSquared = 0;
  for (let position = 0; position < n; position++) {
    const counts = new Array<number>(n).fill(0);
    for (let epoch = 0; epoch < epochs; epoch++) counts[permute(position, n, 7, epoch)]++;
    for (const count of counts) chiSquared += (count - epochs / n) ** 2 / (epochs / n);
  }
  expect(chiSquared).toBeLessThan(81 + 5 * Math.sqrt(2 * 81)); // 81 degrees of freedom, five standard deviations
});

test('very many sequences are permuted exactly', () => {
  const n = 3 * 2 ** 45 + 11;
  for (const index of [0, 1, n - 1, 2 ** 40 + 3]) {
    const image = permute(index, n, 1, 2);
    expect(Number.isSafeInteger(image) && image >= 0 && image < n).toBe(true);
  }
});
