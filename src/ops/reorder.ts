import { headTailPositions } from '../ir/head_tail.js';
import type { OpDefinition } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { factorOf, primitiveRule, resultType } from './bind.js';
import { loopsOver, nest, strideOf } from './strides.js';

/**
 * A sequence in the order in which ranks that share it store it, `ir/head_tail.ts`, or, with `back`, in its own again. The factor is whole.
 */
export const reorder: OpDefinition = {
  name: 'reorder',
  summary: 'A sequence in head-tail order for so many ranks, or back in its own.',
  operands: ['x'],
  results: ['y'],
  attributes: { back: false },
  attributeKinds: { factor: 'factor', head_tail: 'integer', back: 'boolean?' },
  bind(call) {
    const { name } = factorOf('reorder', call, 0, call.attributes.factor as FactorName);
    const [names] = call.names;
    const rule = primitiveRule('reorder', call, { results: [names], linear: [[0]], whole: [name] });
    return { rule, results: [resultType(call, rule, names, call.operands[0].dtype)] };
  },
  backward: ({ dY }, { back, ...attributes }) => ({ dX: dY.apply('reorder', [], { ...attributes, back: !back }) }),
  flops: () => 0,
  reference({ rule, attributes, sizes, inputs: [x] }) {
    const factor = attributes.factor as FactorName;
    const [names] = rule.results;
    const stride = strideOf(names, sizes, factor);
    const positions = headTailPositions(sizes[factor], attributes.head_tail as number);
    const y = new Float64Array(x.length);
    const others = names.filter((name) => name !== factor);
    nest(loopsOver(others, sizes, [names]), 1, ([at]) => {
      positions.forEach((position, stored) => {
        const [from, to] = attributes.back === true ? [stored, position] : [position, stored];
        y[at + to * stride] = x[at + from * stride];
      });
    });
    return [y];
  },
  // Two ranks: the first has the first and the last.
  example: {
    given: { x: [1, 2, 3, 4] },
    names: { x: 'i' },
    attributes: { factor: 'i', head_tail: 2 },
    gives: { y: [1, 4, 2, 3] },
  },
};
