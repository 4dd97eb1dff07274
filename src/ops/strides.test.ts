import { expect, test } from 'vitest';
import { loopsOver, nest } from './strides.js';

test('joining loops changes no offset', () => {
  const sizes = { a: 2, b: 3, c: 4 };
  const seen: string[] = [];
  nest(
    loopsOver(['a', 'b', 'c'], sizes, [
      ['a', 'b', 'c'],
      ['a', 'c'],
      ['b', 'c'],
    ]),
    3,
    (at) => seen.push(at.join()),
  );
  const wanted: string[] = [];
  for (let a = 0; a < 2; a++)
    for (let b = 0; b < 3; b++)
      for (let c = 0; c < 4; c++) wanted.push([a * 12 + b * 4 + c, a * 4 + c, b * 4 + c].join());
  expect(seen).toEqual(wanted);
});
