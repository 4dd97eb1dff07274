import type { OpDefinition } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { factorOf, primitiveRule, resultType } from './bind.js';
import { elements, loopsOver, nest, strideOf } from './strides.js';

/** Takes a tensor apart along one factor (attribute `factor`), which must be whole: one result for each index. */
export const unstack: OpDefinition = {
  name: 'unstack',
  summary: 'The slices of a tensor along one factor, one result each.',
  operands: ['x'],
  results: ['y...'],
  attributeKinds: { factor: 'factor' },
  bind(call) {
    const { name: factor, size } = factorOf('unstack', call, 0, call.attributes.factor as FactorName);
    const names = call.names[0].filter((name) => name !== factor);
    const results = Array.from({ length: size }, () => names);
    const rule = primitiveRule('unstack', call, { results, linear: [[0]], whole: [factor] });
    return { rule, results: results.map((list) => resultType(call, rule, list, call.operands[0].dtype)) };
  },
  backward(tensors, { factor }) {
    const { x } = tensors;
    const slices = Object.keys(tensors).filter((name) => /^y\d+$/.test(name));
    const cotangents = slices.map((name) => tensors[`dY${name.slice(1)}`]);
    const made = x.factors.filter((f) => f.name !== factor);
    const given = cotangents.map((d) => d ?? x.builder.fill(0, x.dtype, made));
    const position = x.names.indexOf(factor as string);
    return { dX: given[0].apply('stack', given.slice(1), { factor, position }) };
  },
  flops: () => 0,
  // Each slice lies in the operand, one stride of the factor from the last.
  view({ operands: [names], results }, { factor }, [strides]) {
    const position = names.indexOf(factor as FactorName);
    const rest = strides.filter((_, i) => i !== position);
    return results.map((_, k) => ({ operand: 0, offset: k * strides[position], strides: rest }));
  },
  reference({ rule, attributes, sizes, inputs: [x] }) {
    const stride = strideOf(rule.operands[0], sizes, attributes.factor as string);
    return rule.results.map((names, k) => {
      const y = new Float64Array(elements(names, sizes));
      nest(loopsOver(names, sizes, [rule.operands[0], names]), 2, ([ix, iy]) => {
        y[iy] = x[ix + k * stride];
      });
      return y;
    });
  },
  example: {
    given: {
      x: [
        [1, 2],
        [3, 4],
      ],
    },
    names: { x: 'b i' },
    attributes: { factor: 'i' },
    gives: { y0: [1, 3], y1: [2, 4] },
  },
};
