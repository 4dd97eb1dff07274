import { describe, expect, test } from 'vitest';
import { printLayout } from './layout.js';
import { operandLayout, resultLayout, splitsWhole, type Assignment, type OpRule } from './rule.js';

const matmul = (t: string, c: string, d: string): OpRule => ({
  factors: { [t]: { size: 8 }, [c]: { size: 4 }, [d]: { size: 16 } },
  operands: [
    [t, c],
    [c, d],
  ],
  results: [[t, d]],
  reductions: ['sum'],
  linear: [[0], [1]],
  letters: {},
  origins: [],
});

const split = (factor: string, axis: string): Assignment => ({ splits: { [factor]: { axes: [axis] } }, through: {} });

describe('rules', () => {
  test("Megatron's MLP: columns split the result, rows leave a partial sum", () => {
    const up = matmul('t', 'c', 'h');
    expect(printLayout(operandLayout(up, split('h', 'tensor'), 1, ['c', 'h']))).toBe('{h:tensor}');
    expect(printLayout(resultLayout(up, split('h', 'tensor'), 0, ['t', 'h']))).toBe('{h:tensor}');
    const down = matmul('t', 'h', 'c');
    expect(printLayout(operandLayout(down, split('h', 'tensor'), 0, ['t', 'h']))).toBe('{h:tensor}');
    expect(printLayout(resultLayout(down, split('h', 'tensor'), 0, ['t', 'c']))).toBe('{| sum:tensor}');
  });

  test('a partial sum passes through one operand of a product, under the names of the values themselves', () => {
    const rule = matmul('t', 'c', 'd');
    const assignment: Assignment = { splits: { t: { axes: ['data'] } }, through: { tensor: 0 } };
    expect(printLayout(operandLayout(rule, assignment, 0, ['batch', 'dim']))).toBe('{batch:data | sum:tensor}');
    expect(printLayout(operandLayout(rule, assignment, 1, ['dim', 'hidden']))).toBe('{}');
    expect(printLayout(resultLayout(rule, assignment, 0, ['batch', 'hidden']))).toBe('{batch:data | sum:tensor}');
  });

  test('a factor may be split in one result and reduced in another', () => {
    // The backward of a norm: the gradient of x keeps the tokens, that of the gain sums them.
    const rule: OpRule = {
      factors: { t: { size: 8 }, d: { size: 4, whole: true } },
      operands: [
        ['t', 'd'],
        ['t', 'd'],
      ],
      results: [['t', 'd'], ['d']],
      reductions: ['sum', 'sum'],
      linear: [[1]],
      letters: {},
      origins: [],
    };
    expect(printLayout(resultLayout(rule, split('t', 'data'), 0, ['t', 'd']))).toBe('{t:data}');
    expect(printLayout(resultLayout(rule, split('t', 'data'), 1, ['d']))).toBe('{| sum:data}');
    expect(splitsWhole(rule, split('t', 'data'))).toBe(false);
    expect(splitsWhole(rule, split('d', 'tensor'))).toBe(true);
  });

  test('a maximum over a split factor is partial by max', () => {
    const rule: OpRule = {
      factors: { t: { size: 8 }, v: { size: 4 } },
      operands: [['t', 'v']],
      results: [['t']],
      reductions: ['max'],
      linear: [],
      letters: {},
      origins: [],
    };
    expect(printLayout(resultLayout(rule, split('v', 'tensor'), 0, ['t']))).toBe('{| max:tensor}');
  });
});
