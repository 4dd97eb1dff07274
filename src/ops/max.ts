import type { OpDefinition, ReferenceCall } from '../ir/op.js';
import { nameList, primitiveRule, resultType } from './bind.js';
import { elements, loopsOver, nest } from './strides.js';

/**
 * The largest element over every factor that the result lacks (attribute `to`: the factors that stay).
 *
 * Where such a factor is split, each rank's maximum is a part of the result whose reduction is max. Elements that share the largest
 * value share the cotangent equally.
 */
export const max: OpDefinition = {
  name: 'max',
  summary: 'The largest element over the factors that the result lacks.',
  operands: ['x'],
  results: ['y'],
  attributeKinds: { to: 'factors' },
  bind(call) {
    const to = nameList(call.attributes, 'to');
    const rule = primitiveRule('max', call, { results: [to], reduction: 'max' });
    return { rule, results: [resultType(call, rule, to, call.operands[0].dtype)] };
  },
  backward({ x, y, dY }) {
    const largest = x.eq(y).cast(x.dtype);
    const count = largest.einsum([], y.names);
    return { dX: largest.mul(dY.div(count)).transpose(x.names) };
  },
  flops: (rule, sizes) => elements(rule.operands[0], sizes),
  reference: (call) => [largest(call)],
  example: {
    given: {
      x: [
        [1, 5],
        [4, 2],
      ],
    },
    names: { x: 'b v' },
    attributes: { to: ['b'] },
    gives: { y: [5, 4] },
  },
};

function largest({ rule, sizes, inputs: [x] }: ReferenceCall): Float64Array {
  const out = new Float64Array(elements(rule.results[0], sizes)).fill(-Infinity);
  nest(loopsOver(rule.operands[0], sizes, [rule.operands[0], rule.results[0]]), 2, ([ix, iy]) => {
    // Not `>`: a NaN must reach the result.
    if (!(x[ix] <= out[iy])) out[iy] = x[ix];
  });
  return out;
}
