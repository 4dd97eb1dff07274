import { expect, test } from 'vitest';
import { ops } from '../ops/index.js';
import { GraphBuilder } from './builder.js';
import { defineOp } from './define_op.js';
import { opOf } from './op.js';
import { tensorType } from './type.js';

/** x, scaled and shifted by what is given. */
const affine = defineOp({
  name: 'affine',
  signature: 'x: float[t], scale?: float[], shift?: f32[t u!] -> y: float[t]',
  decompose({ x, scale, shift }) {
    const scaled = scale ? x.mul(scale) : x;
    return { y: shift ? scaled.add(shift.sum('u')) : scaled };
  },
  flops: ({ t, u = 0 }) => t * (1 + u),
  backward: {
    reads: ['x', 'scale', 'dY'],
    gives: ['dX', 'dScale'],
    decompose: ({ x, scale, dY }) => ({
      dX: scale ? dY.mul(scale) : dY,
      ...(scale && { dScale: dY.mul(x).sum('t') }),
    }),
    flops: ({ t }) => 2 * t,
  },
});
const registry = new Map([...ops, ['affine', affine.forward], ['affine_backward', affine.backward!]]);

const operandsOf = (given: readonly string[]) => [
  ...opOf(registry, { op: 'affine', attributes: { given } }).operands,
  '->',
  ...opOf(registry, { op: 'affine_backward', attributes: { given } }).operands,
  '->',
  ...opOf(registry, { op: 'affine_backward', attributes: { given } }).results,
];

test('a call has the operands that it names, and gradients of those alone', () => {
  expect(operandsOf([]).join(' ')).toBe('x -> x dY -> dX');
  expect(operandsOf(['scale']).join(' ')).toBe('x scale -> x scale dY -> dX dScale');
  expect(operandsOf(['shift']).join(' ')).toBe('x shift -> x dY -> dX');
  expect(operandsOf(['scale', 'shift']).join(' ')).toBe('x scale shift -> x scale dY -> dX dScale');
});

test('what is whole in an operand that is not there is asked of nobody', () => {
  const builder = new GraphBuilder(registry, 'affine');
  const x = builder.input('x', 'data', tensorType('f64', { a: 2 }));
  const shift = builder.input('shift', 'data', tensorType('f64', { a: 2, b: 3 }));
  builder.apply('affine', [x]);
  builder.apply('affine', [x, shift], { given: ['shift'] });
  const [bare, shifted] = builder.nodesSoFar();
  expect(bare.rule.factors).toEqual({ a: { size: 2 } });
  expect(shifted.rule.factors).toEqual({ a: { size: 2 }, b: { size: 3, whole: true } });
});

test.each([
  ['an operand that it does not have', ['turn']],
  ['one that is not optional', ['x']],
  ['another order', ['shift', 'scale']],
  ['one twice', ['scale', 'scale']],
])('%s is refused', (_, given) => {
  const builder = new GraphBuilder(registry, 'affine');
  const x = builder.input('x', 'data', tensorType('f64', { a: 2 }));
  expect(() => builder.apply('affine', [x, x], { given })).toThrow('ir/wrong-attribute');
});

test('an operand too few is refused', () => {
  const builder = new GraphBuilder(registry, 'affine');
  const x = builder.input('x', 'data', tensorType('f64', { a: 2 }));
  expect(() => builder.apply('affine', [x], { given: ['scale'] })).toThrow('ir/wrong-operands');
});
