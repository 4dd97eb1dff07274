import type { OpDefinition, ReferenceCall } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { primitiveRule, resultType } from './bind.js';
import { onGrid } from './fixed_point.js';
import { elements } from './strides.js';

/** Parts of a square, most significant first. */
const bins = 3;

/**
 * Σ (x / 2^`scale`)² over all elements, in three sums of f64 that are exact: each square is cut into a multiple of a coarse grid, one of a
 * finer grid, and the rest rounded to the finest. Sums of up to 2^`bits` elements are so the same in any order and however they are cut
 * over ranks, as long as the whole stays below 2^{@link squareBinsLimit}; what gradients of a reproducible step have for a norm.
 */
export const squareBins: OpDefinition = {
  name: 'square_bins',
  summary: 'The sum of squares in three parts, each the same in any order of the elements.',
  operands: ['x'],
  results: ['y'],
  attributeKinds: { factor: 'factor', scale: 'integer', bits: 'integer' },
  bind(call) {
    const factor = call.attributes.factor as FactorName;
    const made = [{ name: factor, size: bins }];
    const rule = primitiveRule('square_bins', call, { results: [[factor]], made, whole: [factor] });
    return { rule, results: [resultType(call, rule, [factor], 'f64')] };
  },
  flops: (rule, sizes) => 8 * elements(rule.operands[0], sizes),
  reference: (call) => [binsOf(call)],
  example: {
    given: { x: [3, 4] },
    names: { x: 'i' },
    attributes: { factor: 'bin', scale: 0, bits: 20 },
    gives: { y: [25, 0, 0] },
  },
};

/** A sum of squares that is larger is not exact. Its square root is 46,341. */
export const squareBinsLimit = 31;

/**
 * The grids of the parts. What is left of a square below a grid is at most half of it, and so many elements of that have 53 bits above the
 * next grid.
 */
export function squareGrids(bits: number): readonly number[] {
  const first = squareBinsLimit - 51;
  const next = (grid: number) => grid - 1 + bits - 52;
  return [first, next(first), next(next(first))];
}

function binsOf({ attributes: { scale, bits }, inputs: [x] }: ReferenceCall): Float64Array {
  const unit = 2 ** -(scale as number);
  const grids = squareGrids(bits as number).map(onGrid);
  const sums = new Float64Array(bins);
  for (const element of x) {
    let rest = (element * unit) ** 2;
    grids.forEach((toGrid, i) => {
      const part = toGrid(rest);
      sums[i] += part;
      rest -= part;
    });
  }
  return sums;
}
