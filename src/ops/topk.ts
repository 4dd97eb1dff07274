import { outOfRange } from '../ir/diagnostics.js';
import type { OpDefinition, ReferenceCall } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';
import { factorOf, primitiveRule, resultType } from './bind.js';
import { elements, loopsOver, nest, strideOf } from './strides.js';

/**
 * Where the `k` largest elements along `factor` stand: indices, largest first, the lower index first among equals; NaN is larger than
 * any number. The result has the factor `name` (default `k`) last, in place of `factor`; both are whole. The values are a gather by
 * these indices, and so is their gradient.
 */
export const topk: OpDefinition = {
  name: 'topk',
  summary: 'Indices of the k largest elements along a factor, largest first.',
  operands: ['x'],
  results: ['indices'],
  attributeKinds: { factor: 'factor', k: 'integer', name: 'factor?' },
  bind(call) {
    const { name: factor, size } = factorOf('topk', call, 0, call.attributes.factor as FactorName);
    const k = call.attributes.k as number;
    if (k < 1 || k > size) throw outOfRange({ op: 'topk', attribute: 'k', value: k, least: 1, most: size });
    const name = (call.attributes.name ?? 'k') as FactorName;
    const names = [...call.names[0].filter((n) => n !== factor), name];
    const made = [{ name, size: k }];
    const rule = primitiveRule('topk', call, { results: [names], made, whole: [factor, name] });
    return { rule, results: [resultType(call, rule, names, 'i32')] };
  },
  flops: (rule, sizes) => elements(rule.operands[0], sizes),
  reference: (call) => [indicesOfLargest(call)],
  example: {
    given: { x: [[5, 9, 7]] },
    names: { x: 's e' },
    attributes: { factor: 'e', k: 2 },
    gives: { indices: [[1, 2]] },
  },
};

function indicesOfLargest({ rule, attributes, sizes, inputs: [x] }: ReferenceCall): Float64Array {
  const factor = attributes.factor as FactorName;
  const [operand] = rule.operands;
  const [result] = rule.results;
  const out = new Float64Array(elements(result, sizes));
  const stride = strideOf(operand, sizes, factor);
  const k = sizes[result[result.length - 1]];
  const rows = result.slice(0, -1);
  nest(loopsOver(rows, sizes, [operand, result]), 2, ([ix, iy]) => {
    const order = Array.from({ length: sizes[factor] }, (_, i) => i);
    order.sort((i, j) => compareLargestFirst(x[ix + i * stride], x[ix + j * stride]) || i - j);
    for (let i = 0; i < k; i++) out[iy + i] = order[i];
  });
  return out;
}

function compareLargestFirst(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a > b ? -1 : a < b ? 1 : 0;
}
