import { outOfRange } from '../ir/diagnostics.js';
import { promote } from '../ir/dtype.js';
import type { OpDefinition } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { primitiveRule, resultType } from './bind.js';
import { elements, loopsOver, nest, strideOf } from './strides.js';

/**
 * Puts tensors of equal factors together along a new one: `factor`, whose size is the number of operands and which must be whole, at
 * `position` among the factors (default 0). The adjoint of {@link unstack}.
 */
export const stack: OpDefinition = {
  name: 'stack',
  summary: 'Tensors of equal factors, put together along a new factor.',
  operands: ['x...'],
  results: ['y'],
  attributeKinds: { factor: 'factor', position: 'integer?' },
  bind(call) {
    const factor = call.attributes.factor as FactorName;
    const position = (call.attributes.position ?? 0) as number;
    const [first] = call.names;
    if (position < 0 || position > first.length)
      throw outOfRange({ op: 'stack', attribute: 'position', value: position, least: 0, most: first.length });
    const names = [...first.slice(0, position), factor, ...first.slice(position)];
    const rule = primitiveRule('stack', call, {
      results: [names],
      made: [{ name: factor, size: call.operands.length }],
      linear: [call.operands.map((_, i) => i)],
      whole: [factor],
    });
    const dtype = call.operands.map((type) => type.dtype).reduce(promote);
    return { rule, results: [resultType(call, rule, names, dtype)] };
  },
  backward(tensors, { factor }) {
    const { dY } = tensors;
    const operands = Object.keys(tensors).filter((name) => /^x\d+$/.test(name));
    const slices = dY.builder.apply('unstack', [dY], { factor });
    return Object.fromEntries(
      operands.map((name, i) => [
        `dX${name.slice(1)}`,
        slices[i].transpose(tensors[name].names).exactly(tensors[name].dtype),
      ]),
    );
  },
  flops: () => 0,
  reference({ rule, attributes, sizes, inputs }) {
    const [names] = rule.results;
    const y = new Float64Array(elements(names, sizes));
    const stride = strideOf(names, sizes, attributes.factor as FactorName);
    inputs.forEach((x, k) => {
      const factors = rule.operands[k];
      nest(loopsOver(factors, sizes, [factors, names]), 2, ([ix, iy]) => {
        y[iy + k * stride] = x[ix];
      });
    });
    return [y];
  },
  example: {
    given: { x0: [1, 3], x1: [2, 4] },
    names: { x0: 'b', x1: 'b' },
    attributes: { factor: 'i', position: 1 },
    gives: {
      y: [
        [1, 2],
        [3, 4],
      ],
    },
  },
};
