import { expect, test } from 'vitest';
import { isFloat } from '../ir/dtype.js';
import { elementsOf } from '../ir/type.js';
import { buildCase, cases, type OpCase } from '../ops/cases.js';
import { evaluate } from '../ops/evaluate.js';
import { ops } from '../ops/index.js';
import { gradients } from './autodiff.js';
import { ringAttention } from './ring_attention.js';

/** Those in which queries and keys are positions of one sequence, in its order, and meet at once. */
const rings = cases.filter(({ op, operands, attributes }) => {
  const { parts, head_tail } = attributes?.({}) ?? {};
  return op === 'attention' && !operands[1].includes(' t ') && parts === undefined && head_tail === undefined;
});
const sizes = { a: 2, b: 2, s: 7, u: 1, g: 2, r: 2, d: 3 };

test.each(rings.map((op) => [`${op.operands.join(', ')} ${JSON.stringify(op.attributes?.({}))}`, op] as const))(
  'taken in steps, attention of %s and its gradients are what they are at once',
  (_, op) => {
    const { graph, inputs } = training(op);
    const whole = evaluate(graph, inputs).outputs;
    for (const steps of [2, 3]) {
      const ring = ringAttention(graph, ops, () => steps);
      expect(ring.nodes.filter((node) => node.op.startsWith('attention'))).toHaveLength(2 * steps);
      const { outputs } = evaluate(ring, inputs);
      expect(Object.keys(outputs)).toEqual(Object.keys(whole));
      for (const [name, values] of Object.entries(whole))
        values.forEach((value, i) => expect(outputs[name][i], `${name}[${i}]`).toBeCloseTo(value, 12));
    }
  },
);

function training(op: OpCase) {
  const { builder, operands, operandNames, results, inputs } = buildCase(op, sizes, ops);
  const [o] = results;
  const cotangent = builder.input('dO', 'data', o.type).as(o.names);
  const floats = operands.flatMap((operand, i) => (isFloat(operand.dtype) ? [i] : []));
  const made = gradients(
    builder,
    [{ value: o, cotangent }],
    floats.map((i) => operands[i]),
  );
  builder.output('o', o);
  made.forEach((gradient, i) => gradient && builder.output(`gradient of ${operandNames[floats[i]]}`, gradient));
  const wave = Float64Array.from({ length: elementsOf(o.type) }, (_, i) => Math.sin(1 + 3 * i));
  return { graph: builder.build(), inputs: { ...inputs, dO: wave } };
}
