import { wrongDtype } from '../ir/diagnostics.js';
import type { DType } from '../ir/dtype.js';
import type { OpDefinition } from '../ir/op.js';
import type { Factor } from '../ir/type.js';
import type { Attributes } from '../ir/graph.js';
import { checkAddressed, checkDtype, nameList, primitiveRule, resultType } from './bind.js';
import { indexedLoop } from './indexed_loop.js';
import { elements } from './strides.js';

/**
 * Adds rows into a zeroed table at places given as data: the transpose of {@link gather}.
 *
 *   y[v c] = Σ_s [ids[s] = v] · x[s c]                        by v: the gradient of an embedding
 *   y[b e p c] = x[b s c] at (expert[b s k], place[b s k])    by e, p: tokens dispatched to experts
 *
 * One operand of ids for each factor in the attribute `by`; `to` names the result's factors; `sizes` gives the sizes of those that no
 * operand has, in the order of `names` (absent: of `by`). Rows whose id lies outside are dropped, so a result split along an addressed
 * factor is whole on every rank: each keeps its own block. Other factors that the result lacks are summed.
 */
export const scatter: OpDefinition = {
  name: 'scatter',
  summary: 'Rows added into a zeroed table at places given as data; rows out of range are dropped.',
  operands: ['x', 'ids...'],
  results: ['y'],
  choosesDtype: true,
  attributeKinds: { by: 'factors', to: 'factors', names: 'factors?', sizes: 'integers?', dtype: 'dtype?' },
  bind(call) {
    const to = nameList(call.attributes, 'to');
    const by = nameList(call.attributes, 'by');
    checkAddressed('scatter', call, by, call.names[0], to);
    const rule = primitiveRule('scatter', call, {
      results: [to],
      linear: [[0]],
      origins: by,
      made: scatteredFactors(call.attributes),
    });
    const { dtype: own } = call.operands[0];
    if (own === 'bool') throw wrongDtype({ op: 'scatter', operand: 'x', wants: 'number', dtype: own });
    const dtype = checkDtype('scatter', call.attributes.dtype as DType | undefined, own);
    return { rule, results: [resultType(call, rule, to, dtype)] };
  },
  backward(tensors, { by }) {
    const { x, dY } = tensors;
    const ids = Object.keys(tensors)
      .filter((name) => /^ids\d+$/.test(name))
      .map((name) => tensors[name]);
    return { dX: dY.apply('gather', ids, { by, to: x.names, dtype: x.dtype }) };
  },
  flops: (rule, sizes) => elements(rule.operands[0], sizes),
  reference(call) {
    const { rule, sizes, inputs } = call;
    const y = new Float64Array(elements(rule.results[0], sizes));
    const [x] = inputs;
    indexedLoop(call, rule.results[0], rule.operands[0], (at, row) => {
      y[at] += x[row];
    });
    return [y];
  },
  // Two rows for place 1; the row for place 7 is dropped.
  example: {
    given: {
      x: [
        [1, 2],
        [10, 20],
        [5, 5],
      ],
      ids0: [1, 1, 7],
    },
    names: { x: 's c', ids0: 's' },
    attributes: { by: ['v'], to: ['v', 'c'], sizes: [2] },
    dtypes: { ids0: 'i32' },
    gives: {
      y: [
        [0, 0],
        [11, 22],
      ],
    },
  },
};

function scatteredFactors(attributes: Attributes): readonly Factor[] {
  const names = attributes.names === undefined ? nameList(attributes, 'by') : nameList(attributes, 'names');
  const sizes = (attributes.sizes ?? []) as readonly number[];
  return names.map((name, i) => ({ name, size: sizes[i] }));
}
