import { expect, test } from 'vitest';
import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import { splitSumsByChunk } from './split_sums.js';

const added = (what: string) => `
  func @two(
    %x: data f32[row=2],
    %y: data f32[row=2]
  ) {
    %0 = scale(%x) {value=2} : f32[row=2] ; - forward first
    %1 = scale(%y) {value=3} : f32[row=2] ; - forward last
    %2 = add(%0, %1) : f32[row=2] ; - forward last
    return ${what}=%2
  }`;

const outputsOf = (what: string) =>
  splitSumsByChunk(parseGraph(added(what), ops), ops, (segment) => (segment === 'first' ? 0 : 1)).graph.outputs;

test('a gradient to which two chunks add is given in parts, which the update adds', () => {
  expect(outputsOf('gradient of w').map(({ role }) => role)).toEqual([
    { kind: 'gradient', of: 'w', chunk: 0 },
    { kind: 'gradient', of: 'w', chunk: 1 },
  ]);
});

test('a loss to which two chunks add is one value: nothing would add its parts', () => {
  expect(outputsOf('loss_sum').map(({ role }) => role)).toEqual([{ kind: 'result', name: 'loss_sum' }]);
});

test('so is a result that is named as a gradient is printed', () => {
  expect(outputsOf('gradient.w').length).toBe(1);
});
