import { wrongDtype } from '../ir/diagnostics.js';
import { promote, type DType } from '../ir/dtype.js';
import type { OpDefinition, ReferenceCall } from '../ir/op.js';
import { checkDtype, primitiveRule, madeFactors, nameList, resultType } from './bind.js';
import { elements, loopsOver, nest, splitInnermost, type Loop } from './strides.js';

/**
 * Contraction by name: the sum, over every factor that the result lacks, of the product of the operands.
 *
 *   y[b h] = Σ_d x[b d] · w[d h]
 *
 * Matrix product, batched product, elementwise product, transpose, broadcast and sum are this one op. Attributes: `to`, the result's
 * factors; `names` and `sizes`, those of them that no operand has (the result repeats along them); `dtype`, the result's element type
 * where it is not the widest operand's (the sum is always taken in at least f32).
 *
 * Linear in each operand alone: a partial sum may pass through one of them. Its backward is one einsum an operand.
 */
export const einsum: OpDefinition = {
  name: 'einsum',
  summary: 'Contraction by name: products of operands, summed over the factors that the result lacks.',
  operands: ['x...'],
  results: ['y'],
  choosesDtype: true,
  withAddend: 'einsum_add',
  attributeKinds: { to: 'factors', names: 'factors?', sizes: 'integers?', dtype: 'dtype?' },
  bind(call) {
    const to = nameList(call.attributes, 'to');
    const rule = primitiveRule('einsum', call, {
      results: [to],
      made: madeFactors(call.attributes),
      linear: call.operands.map((_, i) => [i]),
    });
    const wide = call.operands.map((t) => t.dtype).reduce(promote);
    const adds = call.operands.length > 1 || call.names[0].some((name) => !to.includes(name));
    if (wide === 'bool' && adds) throw wrongDtype({ op: 'einsum', operand: 'x0', wants: 'number', dtype: wide });
    const dtype = checkDtype('einsum', call.attributes.dtype as DType | undefined, wide);
    return { rule, results: [resultType(call, rule, to, dtype)] };
  },
  backward(tensors) {
    const operands = Object.keys(tensors)
      .filter((name) => /^x\d+$/.test(name))
      .map((name) => tensors[name]);
    const { dY } = tensors;
    return Object.fromEntries(
      operands.map((operand, i) => {
        const others = operands.filter((_, j) => j !== i);
        const sources = [dY, ...others];
        const made = operand.factors.filter((f) => !sources.some((source) => source.names.includes(f.name)));
        const attributes = {
          to: operand.names,
          ...(made.length > 0 ? { names: made.map((f) => f.name), sizes: made.map((f) => f.size) } : {}),
        };
        if (others.length === 0 && made.length === 0)
          return [`dX${i}`, dY.transpose(operand.names).exactly(operand.dtype)];
        return [`dX${i}`, dY.apply('einsum', others, attributes).exactly(operand.dtype)];
      }),
    );
  },
  flops(rule, sizes) {
    const points = elements(Object.keys(rule.factors), sizes);
    const sums = Object.keys(rule.factors).some((name) => !rule.results[0].includes(name));
    return points * (rule.operands.length - 1 + (sums ? 1 : 0));
  },
  reference: (call) => [contract(call)],
  // A row times a matrix.
  example: {
    given: {
      x0: [[1, 2]],
      x1: [
        [1, 10],
        [100, 1000],
      ],
    },
    names: { x0: 'b d', x1: 'd h' },
    attributes: { to: ['b', 'h'] },
    gives: { y: [[201, 2010]] },
  },
};

/** Loops over the result's factors, then over the summed ones; the innermost, written out for up to two operands, walks memory in order. */
function contract({ rule, sizes, inputs }: ReferenceCall): Float64Array {
  const result = rule.results[0];
  const out = new Float64Array(elements(result, sizes));
  const summed = Object.keys(rule.factors).filter((name) => !result.includes(name));
  const last = inputs.length;
  const loops = smoothestLast(loopsOver([...result, ...summed], sizes, [...rule.operands, result]));
  const { outer, inner } = splitInnermost(loops, last + 1);
  const { size, strides } = inner;
  const step = strides[last];
  const [a, b] = inputs;
  const [da, db] = strides;
  if (last === 1 && step === 0) {
    nest(outer, 2, (offsets) => {
      let sum = 0;
      for (let i = 0, ia = offsets[0]; i < size; i++, ia += da) sum += a[ia];
      out[offsets[1]] += sum;
    });
  } else if (last === 1) {
    nest(outer, 2, (offsets) => {
      for (let i = 0, ia = offsets[0], iy = offsets[1]; i < size; i++, ia += da, iy += step) out[iy] += a[ia];
    });
  } else if (last === 2 && step === 0) {
    nest(outer, 3, (offsets) => {
      let sum = 0;
      for (let i = 0, ia = offsets[0], ib = offsets[1]; i < size; i++, ia += da, ib += db) sum += a[ia] * b[ib];
      out[offsets[2]] += sum;
    });
  } else if (last === 2) {
    nest(outer, 3, (offsets) => {
      let ia = offsets[0];
      let ib = offsets[1];
      for (let i = 0, iy = offsets[2]; i < size; i++, ia += da, ib += db, iy += step) out[iy] += a[ia] * b[ib];
    });
  } else {
    nest(outer, last + 1, (offsets) => {
      for (let i = 0; i < size; i++) {
        let term = 1;
        for (let k = 0; k < last; k++) term *= inputs[k][offsets[k] + i * strides[k]];
        out[offsets[last] + i * step] += term;
      }
    });
  }
  return out;
}

/** The loops, with that one last which makes the longest run at unit stride. */
function smoothestLast(loops: readonly Loop[]): readonly Loop[] {
  const cost = ({ size, strides }: Loop) => strides.filter((stride) => stride > 1).length + 1 + 8 / size;
  let best = loops.length - 1;
  loops.forEach((loop, i) => {
    if (cost(loop) < cost(loops[best])) best = i;
  });
  return [...loops.filter((_, i) => i !== best), ...loops.filter((_, i) => i === best)];
}
