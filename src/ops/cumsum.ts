import { wrongDtype } from '../ir/diagnostics.js';
import type { OpDefinition, ReferenceCall } from '../ir/op.js';
import { factorOf, nameList, primitiveRule, resultType } from './bind.js';
import { elements, loopsOver, nest } from './strides.js';

/**
 * Running sums along `factor`, each including its own element; along several factors, major first, as if they were one. With
 * `reverse`, from the end. The factors are whole.
 */
export const cumsum: OpDefinition = {
  name: 'cumsum',
  summary: 'Running sums along a factor, each including its own element.',
  operands: ['x'],
  results: ['y'],
  attributeKinds: { factor: 'factors', reverse: 'boolean?' },
  bind(call) {
    const whole = nameList(call.attributes, 'factor').map((name) => factorOf('cumsum', call, 0, name).name);
    const [names] = call.names;
    const { dtype } = call.operands[0];
    if (dtype === 'bool') throw wrongDtype({ op: 'cumsum', operand: 'x', wants: 'number', dtype });
    const rule = primitiveRule('cumsum', call, { results: [names], linear: [[0]], whole });
    return { rule, results: [resultType(call, rule, names, dtype)] };
  },
  backward: ({ dY }, attributes) => ({
    dX: dY.apply('cumsum', [], { ...attributes, reverse: attributes.reverse !== true }),
  }),
  flops: (rule, sizes) => elements(rule.operands[0], sizes),
  reference: (call) => [runningSums(call)],
  example: {
    given: { x: [1, 2, 3] },
    names: { x: 'i' },
    attributes: { factor: 'i' },
    gives: { y: [1, 3, 6] },
  },
};

function runningSums({ rule, attributes, sizes, inputs: [x] }: ReferenceCall): Float64Array {
  const along = nameList(attributes, 'factor');
  const [names] = rule.operands;
  const y = new Float64Array(x.length);
  const others = names.filter((name) => !along.includes(name));
  const steps: number[] = [];
  nest(loopsOver(along, sizes, [names]), 1, ([at]) => steps.push(at));
  if (attributes.reverse === true) steps.reverse();
  nest(loopsOver(others, sizes, [names]), 1, ([at]) => {
    let sum = 0;
    for (const step of steps) y[at + step] = sum += x[at + step];
  });
  return y;
}
