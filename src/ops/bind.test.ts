import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { printType, tensorType } from '../ir/type.js';
import { ops } from './index.js';

const builder = new GraphBuilder(ops);
const input = (factors: Record<string, number>) => builder.input('x', 'data', tensorType('f32', factors));

describe('a call that does not fit is refused, with its place in the model', () => {
  const refused = (body: () => unknown): unknown => {
    try {
      builder.within('blocks.0.mlp', body);
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  test('by size', () => {
    expect(refused(() => input({ a: 2 }).add(input({ a: 3 })))).toBe(
      "add meets 'a' with two sizes, 2 and 3 [ir/size-mismatch]\n" +
        '  why    factors of one name are one factor within an op\n' +
        '  where  blocks.0.mlp\n' +
        '  fix    make the sizes agree, or rename one factor',
    );
  });

  test.each([
    ['by name', () => input({ a: 2 }).sum('b'), /ir\/no-such-factor/],
    ['by name in an attribute', () => input({ a: 2 }).apply('roll', [], { factor: 'b', by: 1 }), /ir\/no-such-factor/],
    [
      'by order',
      () => input({ a: 2, b: 2 }).apply('join', [], { factor: ['b', 'a'], names: ['c'] }),
      /ir\/not-together/,
    ],
    [
      'by parts',
      () => input({ a: 5 }).apply('cut', [], { factor: 'a', names: ['b', 'c'], sizes: [2, 2] }),
      /ir\/size-mismatch/,
    ],
    ['by letters', () => input({}).apply('softmax'), /softmax does not fit.*ir\/binding-mismatch/s],
    ['by type', () => input({ a: 2 }).cast('i32').apply('silu'), /ir\/wrong-dtype/],
    ['by number of operands', () => input({ a: 2 }).apply('add'), /ir\/wrong-operands/],
  ])('%s', (_, body, message) => {
    expect(refused(body)).toMatch(message);
    expect(refused(body)).toContain('where  blocks.0.mlp');
  });
});

test('dimensions that an operand groups stay grouped in the result', () => {
  const qkv = builder.input('w', 'parameter', {
    dtype: 'f32',
    dims: [
      [{ name: 'dim', size: 4 }],
      [
        { name: 'qkv', size: 3 },
        { name: 'heads', size: 2 },
      ],
    ],
  });
  const y = input({ batch: 5, dim: 4 }).einsum([qkv], 'batch qkv heads');
  expect(printType(y.type)).toBe('f32[batch=5, (qkv=3 heads=2)]');
  expect(printType(y.transpose('qkv batch heads').type)).toBe('f32[qkv=3, batch=5, heads=2]');
});

test('an einsum of unlike types has the wider one, or what is asked for', () => {
  const [a, b] = [input({ i: 2 }).cast('bf16'), input({ i: 2 })];
  expect(a.mul(b).dtype).toBe('f32');
  expect(a.mul(a).dtype).toBe('bf16');
  expect(a.apply('einsum', [a], { to: [], dtype: 'f32' }).dtype).toBe('f32');
});
