import { wrongDtype } from '../ir/diagnostics.js';
import type { DType } from '../ir/dtype.js';
import type { OpDefinition } from '../ir/op.js';
import { checkAddressed, checkDtype, nameList, primitiveRule, resultType } from './bind.js';
import { indexedLoop } from './indexed_loop.js';
import { elements } from './strides.js';

/**
 * Reads a table at places given as data.
 *
 *   y[s c] = table[ids[s], c]                                 by v: embedding
 *   y[b s k c] = table[b, expert[b s k], place[b s k], c]     by e, p: what experts return to their tokens
 *
 * One operand of ids for each factor in the attribute `by`; `to` names the result's factors; whatever the result lacks is summed. An
 * id outside its factor reads zero: so a table split along that factor gives a partial sum, each rank reading its own block (the
 * kernel is told where that starts), and -1 means "nothing". Its backward is {@link scatter} with the same ids.
 */
export const gather: OpDefinition = {
  name: 'gather',
  summary: 'Elements of a table at places given as data; zero where a place is out of range.',
  operands: ['table', 'ids...'],
  results: ['y'],
  choosesDtype: true,
  attributeKinds: { by: 'factors', to: 'factors', dtype: 'dtype?' },
  bind(call) {
    const to = nameList(call.attributes, 'to');
    const by = nameList(call.attributes, 'by');
    checkAddressed('gather', call, by, to, call.names[0]);
    const rule = primitiveRule('gather', call, { results: [to], linear: [[0]], origins: by });
    const { dtype: own } = call.operands[0];
    const adds = call.names.flat().some((name) => !to.includes(name) && !by.includes(name));
    if (own === 'bool' && adds) throw wrongDtype({ op: 'gather', operand: 'table', wants: 'number', dtype: own });
    const dtype = checkDtype('gather', call.attributes.dtype as DType | undefined, own);
    return { rule, results: [resultType(call, rule, to, dtype)] };
  },
  backward(tensors, { by }) {
    const { table, dY } = tensors;
    const ids = Object.keys(tensors)
      .filter((name) => /^ids\d+$/.test(name))
      .map((name) => tensors[name]);
    const made = table.factors.filter((f) => ![dY, ...ids].some((t) => t.names.includes(f.name)));
    const dTable = dY.apply('scatter', ids, {
      by,
      to: table.names,
      names: made.map((f) => f.name),
      sizes: made.map((f) => f.size),
      dtype: table.dtype,
    });
    return { dTable };
  },
  flops: () => 0,
  reference(call) {
    const { rule, sizes, inputs } = call;
    const y = new Float64Array(elements(rule.results[0], sizes));
    const [table] = inputs;
    indexedLoop(call, rule.operands[0], rule.results[0], (at, place) => {
      y[place] += table[at];
    });
    return [y];
  },
  // Word 2 twice; word 5 does not exist.
  example: {
    given: {
      table: [
        [0, 1],
        [10, 11],
        [20, 21],
      ],
      ids0: [2, 5, 2],
    },
    names: { table: 'v c', ids0: 's' },
    attributes: { by: ['v'], to: ['s', 'c'] },
    dtypes: { ids0: 'i32' },
    gives: {
      y: [
        [20, 21],
        [0, 0],
        [20, 21],
      ],
    },
  },
};
