import type { DType } from '../ir/dtype.js';
import type { OpDefinition } from '../ir/op.js';
import { madeFactors, primitiveRule, resultType } from './bind.js';
import { elements } from './strides.js';

/** A constant tensor. Attributes: `value`, `dtype`, and its factors as `names` and `sizes`. */
export const fill: OpDefinition = {
  name: 'fill',
  summary: 'A tensor whose every element is the attribute `value`.',
  operands: [],
  results: ['y'],
  attributeKinds: { value: 'number', dtype: 'dtype', names: 'factors', sizes: 'integers' },
  bind(call) {
    const made = madeFactors(call.attributes);
    const names = made.map((f) => f.name);
    const rule = primitiveRule('fill', call, { results: [names], made });
    return { rule, results: [resultType(call, rule, names, call.attributes.dtype as DType)] };
  },
  flops: () => 0,
  reference: ({ rule, sizes, attributes }) => [
    new Float64Array(elements(rule.results[0], sizes)).fill(attributes.value as number),
  ],
  example: {
    given: {},
    attributes: { value: 7, dtype: 'f64', names: ['i'], sizes: [2] },
    gives: { y: [7, 7] },
  },
};
