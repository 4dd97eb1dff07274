import { elementwise } from './elementwise.js';

/**
 * Each addend of a sum on a grid: the nearest multiple of 2^`grid`, ties to even, in f64. Whatever is larger than 2^`limit` is infinite.
 *
 *   x = Σ_r x_r   ⟶   y = Σ_r ⌊x_r / 2^grid⌉ · 2^grid
 *
 * Sums of such addends are exact as long as they stay below 2^(grid + 53), and so the same in any order and however they are cut: over
 * microbatches, over ranks, by any collective (Demmel & Nguyen 2013, "Fast Reproducible Floating-Point Summation", with a grid that is
 * known beforehand). It has no negative zero. As `cast_addends` it is linear by declaration, and stands where a plan asks for sums that
 * are reproducible, and nowhere else.
 */
export const fixedPoint = elementwise({
  name: 'fixed_point',
  summary: 'The addends of a sum on a grid, so that the sum is the same in any order.',
  operands: ['x'],
  attributeKinds: { grid: 'integer', limit: 'integer' },
  wants: 'float',
  addends: true,
  exact: true,
  of({ grid, limit }) {
    const most = 2 ** (limit as number);
    const toGrid = onGrid(grid as number);
    return (x) => (Math.abs(x) <= most ? toGrid(x) : x * Infinity);
  },
  dtype: () => 'f64',
  linear: () => [[0]],
  flops: 3,
  example: {
    given: { x: [0.3, -0.1, 1.6] },
    names: { x: 'i' },
    attributes: { grid: -2, limit: 4 },
    gives: { y: [0.25, 0, 1.5] },
  },
});

/** The nearest multiple of 2^`grid`, ties to even, of a number below 2^(grid + 51). */
export function onGrid(grid: number): (x: number) => number {
  const shift = gridShift(grid);
  return (x) => x + shift - shift;
}

/**
 * To add and take away: so large that its last bit is that of the grid of 2^`grid`, and one and a half times that, so that numbers of either
 * sign stay in its range.
 */
export const gridShift = (grid: number): number => 1.5 * 2 ** (52 + grid);
