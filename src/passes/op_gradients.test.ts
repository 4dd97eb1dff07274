/** Every op's backward against central differences of its forward, in f64. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gradients } from './autodiff.js';
import { isFloat } from '../ir/dtype.js';
import { buildCase, cases, factorNames, type FactorSizes, type OpCase } from '../ops/cases.js';
import { evaluate, referenceKernels } from '../ops/evaluate.js';
import { ops } from '../ops/index.js';

const kernels = referenceKernels();
const step = 1e-5;

const label = ({ op, operands, attributes }: OpCase): string =>
  `${op}(${operands.join(', ')})${attributes ? ' with attributes' : ''}`;

test.each(cases.map((c) => [label(c), c] as const))('%s', (_, op) => {
  const sizes = fc.record(Object.fromEntries(factorNames(op).map((name) => [name, fc.integer({ min: 1, max: 3 })])));
  const law = fc.property(sizes, fc.nat(1000), (s, seed) => expectGradients(op, s, seed));
  fc.assert(law, { numRuns: 8, seed: 7 });
});

test('every op that has a backward is tried, and every op is called', () => {
  const tried = new Set(cases.map((c) => c.op));
  const untried = [...ops.keys()].filter((name) => !name.endsWith('_backward') && !tried.has(name));
  expect(untried).toEqual([]);
});

function expectGradients(op: OpCase, sizes: FactorSizes, seed: number): void {
  const { builder, operands, results, operandNames, resultNames, inputs } = buildCase(op, sizes, ops, 'f64', seed);
  const definition = ops.get(op.op)!;
  if (!definition.backward) return;
  const differentiable = results.filter(
    (result, i) => isFloat(result.dtype) && !definition.residuals?.includes(resultNames[i]),
  );
  const weights: Record<string, Float64Array> = {};
  const seeds = differentiable.map((value, i) => {
    const name = `weight${i}`;
    const cotangent = builder.input(name, 'data', value.type);
    weights[name] = Float64Array.from({ length: product(value.factors.map((f) => f.size)) }, (_, k) =>
      Math.sin(1 + k * 1.7 + i),
    );
    builder.output(name, value);
    return { value, cotangent: cotangent.as(value.names) };
  });
  const floats = operands
    .map((tensor, i) => ({ tensor, name: operandNames[i] }))
    .filter((o) => isFloat(o.tensor.dtype));
  const found = gradients(
    builder,
    seeds,
    floats.map((o) => o.tensor),
  );
  found.forEach((gradient, i) => gradient && builder.output(`gradient of ${floats[i].name}`, gradient));
  const graph = builder.build();

  const given = { ...inputs, ...weights };
  const { outputs } = evaluate(graph, given, kernels);
  const forward = { ...graph, nodes: graph.nodes.slice(0, 1), outputs: graph.outputs.filter((o) => o.name in weights) };
  const loss = (changed: Record<string, Float64Array>): number => {
    const { outputs: results } = evaluate(forward, { ...given, ...changed }, kernels);
    return Object.keys(weights).reduce((sum, name) => sum + dot(results[name], weights[name]), 0);
  };
  floats.forEach(({ name, tensor }, i) => {
    if (!found[i]) {
      // No gradient declared: rotary's tables.
      expect(definition.signature, `${op.op} gives no gradient of ${name}`).toBeDefined();
      return;
    }
    expect(found[i].dtype).toBe(tensor.dtype);
    const gradient = outputs[`gradient of ${name}`];
    const scale = Math.max(1, Math.hypot(...gradient));
    gradient.forEach((g, k) => {
      const [up, down] = [inputs[name].slice(), inputs[name].slice()];
      up[k] += step;
      down[k] -= step;
      const slope = (loss({ [name]: up }) - loss({ [name]: down })) / (2 * step);
      expect(Math.abs(g - slope), `d${name}[${k}]: ${g}, by differences ${slope}`).toBeLessThanOrEqual(1e-6 * scale);
    });
  });
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
