/** Functions of one element. */
import { wrongAttribute } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import type { OpCall, OpDefinition } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import { elementwise } from './elementwise.js';

/** A function and its derivative, given operand `x`, result `y` and the result's cotangent. */
interface Unary {
  readonly name: string;
  readonly summary: string;
  readonly of: (x: number) => number;
  readonly backward: (x: Tensor, y: Tensor, dY: Tensor) => Tensor;
  readonly linear?: true;
  /** What it is taken of; absent: of floats. */
  readonly wants?: 'number';
  readonly example: readonly [x: number, y: number];
}

function unary({ name, summary, of, backward, linear, wants, example: [x, y] }: Unary): OpDefinition {
  return elementwise({
    name,
    summary,
    operands: ['x'],
    wants: wants ?? 'float',
    of: () => of,
    linear: () => (linear ? [[0]] : []),
    backward: (t) => ({ dX: backward(t.x, t.y, t.dY) }),
    example: { given: { x: [x] }, names: { x: 'i' }, gives: { y: [y] } },
  });
}

export const neg = unary({
  name: 'neg',
  summary: 'The negative of each element.',
  of: (x) => -x,
  linear: true,
  wants: 'number',
  backward: (_x, _y, dY) => dY.neg(),
  example: [2, -2],
});

export const exp = unary({
  name: 'exp',
  summary: 'e to the power of each element.',
  of: Math.exp,
  backward: (_x, y, dY) => dY.mul(y),
  example: [1, Math.E],
});

export const log = unary({
  name: 'log',
  summary: 'The natural logarithm of each element.',
  of: Math.log,
  backward: (x, _y, dY) => dY.div(x),
  example: [Math.E, 1],
});

export const sqrt = unary({
  name: 'sqrt',
  summary: 'The square root of each element.',
  of: Math.sqrt,
  backward: (_x, y, dY) => dY.div(y).mul(0.5),
  example: [9, 3],
});

export const rsqrt = unary({
  name: 'rsqrt',
  summary: 'The reciprocal square root of each element.',
  of: (x) => 1 / Math.sqrt(x),
  backward: (_x, y, dY) => dY.mul(y.mul(y).mul(y)).mul(-0.5),
  example: [4, 0.5],
});

export const tanh = unary({
  name: 'tanh',
  summary: 'The hyperbolic tangent of each element.',
  of: Math.tanh,
  backward: (_x, y, dY) => dY.mul(y.square().neg().add(1)),
  example: [0, 0],
});

export const sigmoid = unary({
  name: 'sigmoid',
  summary: 'The logistic function 1 / (1 + exp(−x)) of each element.',
  of: (x) => 1 / (1 + Math.exp(-x)),
  backward: (_x, y, dY) => dY.mul(y.mul(y.neg().add(1))),
  example: [0, 0.5],
});

export const erf = unary({
  name: 'erf',
  summary: 'The error function 2/√π ∫₀ˣ exp(−t²) dt of each element.',
  of: errorFunction,
  backward: (x, _y, dY) => dY.mul(x.square().neg().exp()).mul(2 / Math.sqrt(Math.PI)),
  example: [0.5, 0.5204998778130465],
});

export const relu = unary({
  name: 'relu',
  summary: 'The larger of zero and each element; its derivative at zero is zero.',
  of: (x) => Math.max(0, x),
  wants: 'number',
  backward: (x, _y, dY) => x.constant(0).lt(x).where(dY, dY.constant(0)),
  example: [-3, 0],
});

export const cos = unary({
  name: 'cos',
  summary: 'The cosine of each element, in radians.',
  of: Math.cos,
  backward: (x, _y, dY) => dY.mul(x.apply('sin')).neg(),
  example: [0, 1],
});

export const sin = unary({
  name: 'sin',
  summary: 'The sine of each element, in radians.',
  of: Math.sin,
  backward: (x, _y, dY) => dY.mul(x.apply('cos')),
  example: [0, 0],
});

/** Integers take whole numbers alone: theirs would be rounded in silence. */
const wholeForIntegers =
  (op: string) =>
  ({ operands: [{ dtype }], attributes: { value } }: OpCall): void => {
    if (!isFloat(dtype) && !Number.isInteger(value))
      throw wrongAttribute({ op, attribute: 'value', wants: `a whole number for ${dtype}`, value, path: '' });
  };

/** Multiplies by a number, `value`. */
export const scale = elementwise({
  name: 'scale',
  summary: 'Each element times the attribute `value`.',
  operands: ['x'],
  attributeKinds: { value: 'number' },
  wants: 'number',
  check: wholeForIntegers('scale'),
  of: ({ value }) => {
    const factor = value as number;
    return (x) => x * factor;
  },
  linear: () => [[0]],
  copies: ({ value }) => value === 1,
  backward: ({ dY }, { value }) => ({ dX: dY.mul(value as number) }),
  example: { given: { x: [2] }, names: { x: 'i' }, attributes: { value: 3 }, gives: { y: [6] } },
});

/** Adds a number, `value`. Not linear: every part of a partial sum would add it. */
export const addScalar = elementwise({
  name: 'add_scalar',
  summary: 'Each element plus the attribute `value`.',
  operands: ['x'],
  attributeKinds: { value: 'number' },
  wants: 'number',
  check: wholeForIntegers('add_scalar'),
  of: ({ value }) => {
    const term = value as number;
    return (x) => x + term;
  },
  backward: ({ dY }) => ({ dX: dY }),
  example: { given: { x: [2] }, names: { x: 'i' }, attributes: { value: 3 }, gives: { y: [5] } },
});

/**
 * erf to full double precision: its Taylor series below 2.5, the continued fraction of erfc above (Abramowitz and Stegun 7.1.6 and
 * 7.1.14).
 */
function errorFunction(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    // erf x = 2/√π exp(−x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)): all terms positive, so nothing cancels.
    let term = a;
    let sum = a;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * a * a) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}
