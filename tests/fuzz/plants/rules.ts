/** Rules that lie: partitioner, verifier and lowering believe them, so that numbers alone can tell. */
import type { OpRule } from '../../../src/ir/rule.js';
import type { Plant, Plants } from './plant.js';

/** A change to the rules of some ops. */
const of = (names: readonly string[], change: (rule: OpRule) => OpRule): NonNullable<Plant['rule']> => {
  return (op, rule) => (names.includes(op) ? change(rule) : rule);
};

const linearIn =
  (...sets: readonly (readonly number[])[]) =>
  (rule: OpRule): OpRule => ({ ...rule, linear: [...rule.linear, ...sets] });

const splitsAll = (rule: OpRule): OpRule => ({
  ...rule,
  factors: Object.fromEntries(Object.entries(rule.factors).map(([name, { size }]) => [name, { size }])),
});

const withoutOrigins = (rule: OpRule): OpRule => ({ ...rule, origins: [] });

const norms = ['layer_norm', 'layer_norm_backward', 'rms_norm', 'rms_norm_backward'];

export const rulePlants: Plants = {
  activation_linear: {
    what: 'activations say that they are linear: a partial sum passes through',
    rule: of(['gelu', 'swiglu', 'tanh'], linearIn([0])),
  },
  product_jointly_linear: {
    what: 'a product says that it is linear in both operands together',
    rule: of(['einsum', 'mul'], (rule) => (rule.operands.length === 2 ? linearIn([0, 1])(rule) : rule)),
  },
  norm_splits_its_row: {
    what: 'a norm forgets that its kernel needs a row whole',
    rule: of(norms, splitsAll),
  },
  loss_splits_its_words: {
    what: 'cross-entropy and softmax forget that their kernels need all words or experts',
    rule: of(['softmax_cross_entropy', 'softmax_cross_entropy_backward', 'softmax', 'softmax_backward'], splitsAll),
  },
  attention_without_origin: {
    what: 'attention is not told where its queries begin',
    rule: of(['attention', 'attention_backward'], withoutOrigins),
  },
  positions_without_origin: {
    what: 'positions and ids of experts count from zero on every rank',
    rule: of(['iota'], withoutOrigins),
  },
  dropout_without_origin: {
    what: 'every rank drops the same elements of its own block',
    rule: of(['dropout', 'random_uniform'], withoutOrigins),
  },
  lookup_without_origin: {
    what: 'a look-up is not told which rows its table begins with',
    rule: of(['gather', 'scatter'], withoutOrigins),
  },
  sums_by_maximum: {
    what: 'a product says that its sum is a maximum over ranks',
    rule: of(['einsum'], (rule) => ({ ...rule, reductions: rule.reductions.map(() => 'max' as const) })),
  },
  scatter_by_maximum: {
    what: 'what is scattered by several ranks is reduced by maximum',
    rule: of(['scatter'], (rule) => ({ ...rule, reductions: rule.reductions.map(() => 'max' as const) })),
  },
};
