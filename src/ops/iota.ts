import { headTailPositions } from '../ir/head_tail.js';
import { wrongDtype } from '../ir/diagnostics.js';
import type { DType } from '../ir/dtype.js';
import type { OpDefinition } from '../ir/op.js';
import { madeFactors, primitiveRule, resultType } from './bind.js';

/**
 * 0, 1, 2, … along one factor. Attributes: `dtype`, and the factor as `names` and `sizes`, of one entry each; `head_tail` where it is stored
 * in that order for so many ranks (`ir/head_tail.ts`).
 *
 * It counts globally: a rank that holds a block is told where the block starts. Masks and one-hot rows are made of it, so they are
 * right under every split.
 */
export const iota: OpDefinition = {
  name: 'iota',
  summary: 'The global index along one factor.',
  operands: [],
  results: ['y'],
  attributeKinds: { dtype: 'dtype', names: 'factors', sizes: 'integers', head_tail: 'integer?' },
  bind(call) {
    const made = madeFactors(call.attributes);
    const names = made.map((f) => f.name);
    const rule = primitiveRule('iota', call, { results: [names], made, origins: names });
    const dtype = call.attributes.dtype as DType;
    if (dtype === 'bool') throw wrongDtype({ op: 'iota', operand: 'dtype', wants: 'number', dtype });
    return { rule, results: [resultType(call, rule, names, dtype)] };
  },
  flops: () => 0,
  reference({ rule, sizes, origins, attributes: { head_tail: ranks } }) {
    const [factor] = rule.results[0];
    const first = origins[factor] ?? 0;
    const positions = ranks === undefined ? null : headTailPositions(rule.factors[factor].size, ranks as number);
    return [Float64Array.from({ length: sizes[factor] }, (_, i) => (positions ? positions[first + i] : first + i))];
  },
  example: { given: {}, attributes: { dtype: 'i32', names: ['i'], sizes: [3] }, gives: { y: [0, 1, 2] } },
};
