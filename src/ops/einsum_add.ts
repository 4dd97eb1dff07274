import { wrongDtype } from '../ir/diagnostics.js';
import { atLeastF32, isFloat, promote } from '../ir/dtype.js';
import type { OpDefinition } from '../ir/op.js';
import { nameList, primitiveRule, resultType } from './bind.js';
import { elements } from './strides.js';

/**
 * A contraction of two operands plus a third: a linear layer with its bias, in one pass over the result.
 *
 *   y[t o] = Σ_i x[t i] · w[o i] + b[o]
 *
 * Made by the pass `fuse_einsum_add` after partitioning, never by models: so it has no backward. Linear in nothing, since the third
 * operand would be added once a rank; and for the same reason no summed factor may be split (they are whole).
 */
export const einsumAdd: OpDefinition = {
  name: 'einsum_add',
  summary: 'A contraction of two operands plus a third.',
  operands: ['x', 'w', 'bias'],
  results: ['y'],
  attributeKinds: { to: 'factors' },
  bind(call) {
    const to = nameList(call.attributes, 'to');
    const summed = [...new Set(call.names.flat())].filter((name) => !to.includes(name));
    const rule = primitiveRule('einsum_add', call, { results: [to], whole: summed });
    const dtype = call.operands.map((t) => t.dtype).reduce(promote);
    if (dtype === 'bool') throw wrongDtype({ op: 'einsum_add', operand: 'x', wants: 'number', dtype });
    return { rule, results: [resultType(call, rule, to, dtype)] };
  },
  decompose({ x, w, bias }, { to }) {
    const dtype = [x, w, bias].map((t) => t.dtype).reduce(promote);
    const product = x.apply('einsum', [w], { to, dtype: isFloat(dtype) ? atLeastF32(dtype) : dtype });
    return { y: product.add(bias).exactly(dtype) };
  },
  flops: (rule, sizes) => 2 * elements(Object.keys(rule.factors), sizes),
  // A row times a matrix, plus a row.
  example: {
    given: {
      x: [[1, 2]],
      w: [
        [1, 10],
        [100, 1000],
      ],
      bias: [5, 6],
    },
    names: { x: 'b d', w: 'd h', bias: 'h' },
    attributes: { to: ['b', 'h'] },
    gives: { y: [[206, 2016]] },
  },
};
