import { expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { tensorType } from '../ir/type.js';
import { evaluate } from './evaluate.js';
import { ops } from './index.js';

// Python's math.erf.
test.each([
  [0.1, 0.1124629160182849],
  [1, 0.8427007929497149],
  [2, 0.9953222650189527],
  [2.5, 0.999593047982555],
  [3, 0.9999779095030014],
  [5, 0.9999999999984626],
  [6.5, 1],
])('erf of %d', (x, y) => {
  const builder = new GraphBuilder(ops);
  builder.output('y', builder.input('x', 'data', tensorType('f64', { i: 3 })).erf());
  const { outputs } = evaluate(builder.build(), { x: Float64Array.of(x, -x, 0) });
  expect(Math.abs(outputs.y[0] - y)).toBeLessThanOrEqual(Number.EPSILON);
  expect([...outputs.y.slice(1)]).toEqual([-outputs.y[0], 0]);
});
