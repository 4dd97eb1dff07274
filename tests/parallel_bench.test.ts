/** How sure a ratio is, and which sides are compared at all. */
import { expect, test } from 'vitest';
import { distanceOf, mostDistance, requireNear } from '../bench/parallel/distance.js';
import { medianInterval } from '../bench/parallel/interval.js';

test('an interval of a median leaves out as many values at each end as the sign test allows', () => {
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => n - i);
  // Conover 1999, table A3: of 20 fair coins at most 5 show heads with a chance of 0.0207, at most 6 with 0.0577.
  expect(medianInterval(upTo(20))).toEqual({ median: 10.5, low: 6, high: 15 });
  // 1/64 and 7/64; of five values even the outermost two are not enough.
  expect(medianInterval(upTo(6))).toEqual({ median: 3.5, low: 1, high: 6 });
  expect(medianInterval(upTo(5))).toEqual({ median: 3, low: 1, high: 5 });
  expect(medianInterval([2])).toEqual({ median: 2, low: 2, high: 2 });
});

test('a side whose gradients are twice as large, or NaN, is not compared, though its losses are near', () => {
  const serial = { losses: [9, 8.9], gradient_norms: [1, 2] };
  const check = (side: typeof serial) => () => requireNear('it', distanceOf(side, serial), mostDistance.f32);
  expect(check({ losses: [9, 8.90001], gradient_norms: [1, 2.0001] })).not.toThrow();
  expect(check({ losses: [9, 8.9], gradient_norms: [2, 4] })).toThrow('does not train as one process does');
  expect(check({ losses: [9, 8.8], gradient_norms: [1, 2] })).toThrow('its losses differ by 1.1e-2');
  expect(check({ losses: [9, NaN], gradient_norms: [1, 2] })).toThrow('does not train as one process does');
});
