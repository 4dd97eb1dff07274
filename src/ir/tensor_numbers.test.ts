import { expect, test } from 'vitest';
import { evaluate } from '../ops/evaluate.js';
import { ops } from '../ops/index.js';
import { GraphBuilder } from './builder.js';
import { tensorType } from './type.js';

test('where a tensor goes, a number does', () => {
  const builder = new GraphBuilder(ops, 'numbers');
  const x = builder.input('x', 'value', tensorType('f64', { n: 3 }));
  builder.output('maximum', x.maximum(2));
  builder.output('minimum', x.minimum(2));
  for (const [name, is] of Object.entries({ eq: x.eq(2), ge: x.ge(2), lt: x.lt(2) }))
    builder.output(name, is.where(x.constant(1), x.constant(0)));
  const { outputs } = evaluate(builder.build(), { x: Float64Array.of(1, 2, 3) });
  expect(Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, [...values]]))).toEqual({
    maximum: [2, 2, 3],
    minimum: [1, 2, 2],
    eq: [0, 1, 0],
    ge: [0, 1, 1],
    lt: [1, 0, 0],
  });
});
