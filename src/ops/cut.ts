import { notTogether, sizeMismatch } from '../ir/diagnostics.js';
import type { OpCall, OpDefinition } from '../ir/op.js';
import type { OpRule } from '../ir/rule.js';
import type { Factor, FactorName } from '../ir/type.js';
import { factorOf, madeFactors, nameList, primitiveRule, resultType } from './bind.js';

/**
 * Cuts a factor in two, the major one first: y[g i] = x[g·|i| + i]. Nothing moves. Ranks split the two by the major one, into equal parts,
 * and the one factor as that is: each then has the same elements either way.
 */
export const cut: OpDefinition = {
  name: 'cut',
  summary: 'A tensor one factor of which is seen as two, the major one first.',
  operands: ['x'],
  results: ['y'],
  attributeKinds: { factor: 'factor', names: 'factors', sizes: 'integers' },
  bind(call) {
    const one = factorOf('cut', call, 0, call.attributes.factor as FactorName);
    const [major, minor] = madeFactors(call.attributes);
    const [names] = call.names;
    const results = names.flatMap((name) => (name === one.name ? [major.name, minor.name] : [name]));
    return bindCut('cut', call, { one, major, minor, made: [major, minor], results });
  },
  backward: ({ dY }, { factor, names }) => ({ dX: dY.apply('join', [], { factor: names, names: [factor as string] }) }),
  flops: () => 0,
  // Both lie where the one does.
  view({ operands: [names], factors }, { factor, names: into }, [strides]) {
    const at = names.indexOf(factor as FactorName);
    const { size } = factors[(into as readonly FactorName[])[1]];
    return [{ operand: 0, offset: 0, strides: strides.toSpliced(at, 1, strides[at] * size, strides[at]) }];
  },
  reference: ({ inputs: [x] }) => [x.slice()],
  example: {
    given: { x: [1, 2, 3, 4, 5, 6] },
    names: { x: 's' },
    attributes: { factor: 's', names: ['g', 'i'], sizes: [3, 2] },
    gives: {
      y: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    },
  },
};

/** Joins two factors that stand next to each other in one, the adjoint of {@link cut}: y[g·|i| + i] = x[g i]. */
export const join: OpDefinition = {
  name: 'join',
  summary: 'A tensor two factors of which, next to each other, are seen as one.',
  operands: ['x'],
  results: ['y'],
  attributeKinds: { factor: 'factors', names: 'factors' },
  bind(call) {
    const [major, minor] = nameList(call.attributes, 'factor').map((name) => factorOf('join', call, 0, name));
    const one = { name: nameList(call.attributes, 'names')[0], size: major.size * minor.size };
    const [names] = call.names;
    const at = names.indexOf(major.name);
    if (names[at + 1] !== minor.name) throw notTogether({ op: 'join', factors: [major.name, minor.name], has: names });
    const results = [...names.slice(0, at), one.name, ...names.slice(at + 2)];
    return bindCut('join', call, { one, major, minor, made: [one], results });
  },
  backward: ({ x, dY }, { factor, names }) => {
    const into = factor as readonly FactorName[];
    const [one] = names as readonly FactorName[];
    return { dX: dY.apply('cut', [], { factor: one, names: into, sizes: into.map((name) => x.size(name)) }) };
  },
  flops: () => 0,
  // Only of two that lie as one.
  view({ operands: [names], factors }, { factor }, [strides]) {
    const [major, minor] = factor as readonly FactorName[];
    const at = names.indexOf(major);
    if (strides[at] !== strides[at + 1] * factors[minor].size) return null;
    return [{ operand: 0, offset: 0, strides: strides.toSpliced(at, 1) }];
  },
  reference: ({ inputs: [x] }) => [x.slice()],
  example: {
    given: {
      x: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    },
    names: { x: 'g i' },
    attributes: { factor: ['g', 'i'], names: ['s'] },
    gives: { y: [1, 2, 3, 4, 5, 6] },
  },
};

interface Cut {
  readonly one: Factor;
  readonly major: Factor;
  readonly minor: Factor;
  /** Those of the three that the result has. */
  readonly made: readonly Factor[];
  readonly results: readonly FactorName[];
}

/** Throws where the two are not as many elements as the one. */
function bindCut(op: string, call: OpCall, { one, major, minor, made, results }: Cut) {
  const size = major.size * minor.size;
  if (size !== one.size) throw sizeMismatch({ op, factor: one.name, sizes: [one.size, size] });
  const bound = primitiveRule(op, call, { results: [results], made, linear: [[0]], whole: [minor.name] });
  const rule: OpRule = {
    ...bound,
    factors: {
      ...bound.factors,
      [one.name]: { size, tied: { to: major.name, turn: 0 } },
      [major.name]: { size: major.size, even: true },
    },
  };
  return { rule, results: [resultType(call, rule, results, call.operands[0].dtype)] };
}
