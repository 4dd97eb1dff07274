import { expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { tensorType } from '../ir/type.js';
import { evaluate } from './evaluate.js';
import { ops } from './index.js';

/** Random numbers of a shape. */
function draw(factors: Record<string, number>, { seed = 1, step = 2, microbatch = 0, stream = 3 } = {}): Float64Array {
  const builder = new GraphBuilder(ops);
  const keys = ['seed', 'step', 'microbatch'].map((name) => builder.input(name, 'scalar', tensorType('i64', {})));
  const attributes = { names: Object.keys(factors), sizes: Object.values(factors), stream };
  builder.output('y', builder.apply('random_uniform', keys, attributes)[0]);
  const given = { seed: Float64Array.of(seed), step: Float64Array.of(step), microbatch: Float64Array.of(microbatch) };
  return evaluate(builder.build(), given).outputs.y;
}

test('numbers are uniform: mean and variance, and each of sixteen bins as often as chance allows', () => {
  const n = 1 << 16;
  const numbers = draw({ i: n });
  const mean = numbers.reduce((a, b) => a + b) / n;
  expect(Math.abs(mean - 0.5)).toBeLessThan(5 / Math.sqrt(12 * n));
  const bins = new Array<number>(16).fill(0);
  for (const x of numbers) bins[Math.floor(x * 16)]++;
  // Binomial with p = 1/16: five standard deviations.
  for (const count of bins) expect(Math.abs(count - n / 16)).toBeLessThan(5 * Math.sqrt((n * 15) / 256));
});

test('seed, step, stream and microbatch each give other numbers', () => {
  const seen = [{}, { seed: 2 }, { seed: 2 ** 32 + 1 }, { step: 3 }, { stream: 4 }, { microbatch: 1 }].map((keys) =>
    draw({ i: 4 }, keys).join(),
  );
  expect(new Set(seen).size).toBe(seen.length);
});

test('logical microbatches that go through together draw what each draws alone', () => {
  const together = draw({ microbatch: 2, i: 3 }, { microbatch: 5 });
  expect([...together]).toEqual([...draw({ i: 3 }, { microbatch: 10 }), ...draw({ i: 3 }, { microbatch: 11 })]);
});
