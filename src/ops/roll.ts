import type { OpDefinition } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { factorOf, primitiveRule, resultType } from './bind.js';
import { loopsOver, nest, strideOf } from './strides.js';

/**
 * Rotates along a factor, which must be whole: y[i] = x[(i + by) mod n].
 */
export const roll: OpDefinition = {
  name: 'roll',
  summary: 'A tensor rotated along one factor: y[i] = x[(i + by) mod n].',
  operands: ['x'],
  results: ['y'],
  attributeKinds: { factor: 'factor', by: 'integer' },
  bind(call) {
    const { name } = factorOf('roll', call, 0, call.attributes.factor as FactorName);
    const [names] = call.names;
    const rule = primitiveRule('roll', call, { results: [names], linear: [[0]], whole: [name] });
    return { rule, results: [resultType(call, rule, names, call.operands[0].dtype)] };
  },
  backward: ({ dY }, { factor, by }) => ({ dX: dY.apply('roll', [], { factor, by: -(by as number) }) }),
  flops: () => 0,
  reference({ rule, attributes, sizes, inputs: [x] }) {
    const factor = attributes.factor as FactorName;
    const names = rule.results[0];
    const size = sizes[factor];
    const stride = strideOf(names, sizes, factor);
    const by = (((attributes.by as number) % size) + size) % size;
    const y = new Float64Array(x.length);
    const others = names.filter((name) => name !== factor);
    nest(loopsOver(others, sizes, [names]), 1, ([at]) => {
      for (let i = 0; i < size; i++) y[at + i * stride] = x[at + ((i + by) % size) * stride];
    });
    return [y];
  },
  example: { given: { x: [1, 2, 3] }, names: { x: 'i' }, attributes: { factor: 'i', by: 1 }, gives: { y: [2, 3, 1] } },
};
