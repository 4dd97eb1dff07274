/** The checker of exact sums: one addend that is not put on the grid, is put on another, or on one where nothing is to be exact. */
import { expect, test } from 'vitest';
import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import { exactSums } from '../passes/exact_sums.js';
import { checkExactSums } from './check_exact_sums.js';
import { defaultCosts } from './costs.js';
import { parsePlan } from './example.js';
import { partition } from './partition.js';
import type { PlacedGraph, PlacedStep } from './placed.js';
import { stepPlacement } from './placement.js';

const plan = parsePlan('mesh {data: 2}\ntoken: data');
const step = parseGraph(
  `
  func @two_uses(%x: data f32[token=8, dim=4], %y: data f32[token=8, dim=4]) {
    %0 = einsum(%x, %y) {to=[dim]} : f32[dim=4] ; blocks.0 forward -
    %1 = einsum(%x) {to=[dim]} : f32[dim=4] ; blocks.1 forward -
    %2 = add(%0, %1) : f32[dim=4] ; blocks.1 forward -
    return y=%2
  }`,
  ops,
);
const summed = exactSums(step, ops, { microbatches: 4, tokens: 8, ranks: 1 });
const graph = partition(summed, ops, stepPlacement(plan, summed), defaultCosts(), {}).placed;

const told = (changed: PlacedGraph, reproducible = true): readonly string[] =>
  checkExactSums(changed, ops, reproducible).map(({ code }) => code);
const addends = graph.steps.filter((one) => one.kind === 'op' && one.op === 'fixed_point');
const exchanged = (from: PlacedStep, to: readonly PlacedStep[]): PlacedGraph => ({
  ...graph,
  steps: graph.steps.flatMap((one) => (one === from ? to : [one])),
});

test('what exact_sums makes is exact, and of a plan that is not reproducible a fault', () => {
  expect(addends).toHaveLength(2);
  expect(told(graph)).toEqual([]);
  expect(told(graph, false)).toEqual(['partition/addends-rounded', 'partition/addends-rounded']);
});

test.each([0, 1])('addend %i that is cast, and not put on the grid, is found', (i) => {
  const addend = addends[i];
  if (addend.kind !== 'op') return;
  expect(told(exchanged(addend, [{ ...addend, op: 'cast', attributes: { dtype: 'f64' } }]))).toEqual([
    'partition/sum-rounds',
  ]);
});

test.each(['grid', 'limit'])('an addend with another %s than the others is found', (name) => {
  const [, addend] = addends;
  if (addend.kind !== 'op') return;
  const attributes = { ...addend.attributes, [name]: (addend.attributes[name] as number) + 1 };
  expect(told(exchanged(addend, [{ ...addend, attributes }]))).toEqual(['partition/sum-rounds']);
});

test('a quotient of addends in place of their sum is found', () => {
  const [sum] = graph.steps.filter((one) => one.kind === 'op' && one.op === 'add');
  if (sum.kind !== 'op') return;
  expect(told(exchanged(sum, [{ ...sum, op: 'div' }]))).toContain('partition/sum-rounds');
});
