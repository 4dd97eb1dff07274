import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { isFloat } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import { parseGraph } from '../ir/parse.js';
import { printGraph } from '../ir/print.js';
import { tensorType } from '../ir/type.js';
import { gradients } from './autodiff.js';
import { buildCase, cases, factorNames, type OpCase } from '../ops/cases.js';
import { ops } from '../ops/index.js';

/** A call, and the gradients of its operands, as a graph. */
function trainingGraph(op: OpCase, sizes: Readonly<Record<string, number>>, float: 'f64' | 'bf16'): Graph {
  const { builder, operands, results, resultNames } = buildCase(op, sizes, ops, float);
  const definition = ops.get(op.op)!;
  results.forEach((result, i) => builder.output(resultNames[i], result));
  if (definition.backward) {
    const differentiable = results.filter(
      (result, i) => isFloat(result.dtype) && !definition.residuals?.includes(resultNames[i]),
    );
    const seeds = differentiable.map((value, i) => ({
      value,
      cotangent: builder.input(`seed.${i}`, 'value', value.type).as(value.names),
    }));
    const wrt = operands.filter((tensor) => isFloat(tensor.dtype));
    const made = builder.within('model.layer', () => gradients(builder, seeds, wrt));
    made.forEach((gradient, i) => {
      if (!gradient) return;
      expect(gradient.dtype).toBe(wrt[i].dtype);
      expect(gradient.factors).toEqual(wrt[i].factors);
      builder.output(`gradient ${i}`, gradient);
    });
  }
  return builder.build();
}

test('a graph read back prints the same and has the same rules, for every op and its gradient', () => {
  const anyCase = fc.constantFrom(...cases).chain((op) =>
    fc.record({
      op: fc.constant(op),
      sizes: fc.record(Object.fromEntries(factorNames(op).map((name) => [name, fc.integer({ min: 1, max: 4 })]))),
      float: fc.constantFrom('f64' as const, 'bf16' as const),
    }),
  );
  fc.assert(
    fc.property(anyCase, ({ op, sizes, float }) => {
      const graph = trainingGraph(op, sizes, float);
      const text = printGraph(graph);
      const back = parseGraph(text, ops);
      expect(printGraph(back)).toBe(text);
      expect(back.nodes.map((node) => node.rule)).toEqual(graph.nodes.map((node) => node.rule));
      expect(back.nodes.map((node) => node.from)).toEqual(graph.nodes.map((node) => node.from));
    }),
    { numRuns: 400 },
  );
});

describe('a printed graph', () => {
  const builder = new GraphBuilder(ops, 'mlp');
  const x = builder.input('x', 'data', tensorType('bf16', { batch: 8, dim: 4 }));
  const up = builder.input('mlp.up.weight', 'parameter', {
    dtype: 'bf16',
    dims: [
      [{ name: 'dim', size: 4 }],
      [
        { name: 'qkv', size: 3 },
        { name: 'heads', size: 2 },
      ],
    ],
  });
  const made = builder.at({ path: 'mlp', segment: 'blocks.0' }, () => {
    const y = x.einsum([up], ['batch', 'qkv', 'heads']);
    return y.rename({ heads: 'head' }).add(1e-5);
  });
  builder.output('y', made);
  const text = `func @mlp(
  %x: data bf16[batch=8, dim=4],
  %mlp.up.weight: parameter bf16[dim=4, (qkv=3 heads=2)]
) {
  %0 = einsum(%x, %mlp.up.weight) {to=[batch, qkv, heads]} : bf16[batch=8, (qkv=3 heads=2)] ; mlp forward blocks.0
  %1 = add_scalar(%0<batch qkv head>) {value=1e-5} : bf16[batch=8, (qkv=3 head=2)] ; mlp forward blocks.0
  return y=%1
}
`;

  test('has a typed header, one node a line, and names where they differ', () => {
    expect(printGraph(builder.build())).toBe(text);
  });

  test('is read whatever its spacing', () => {
    const loose = text.replaceAll(' = ', '  =  ').replace('(\n', '(\n\n').replaceAll(', %', ',%');
    expect(printGraph(parseGraph(loose, ops))).toBe(text);
  });

  test.each([
    ['%0 =', '%7 ='],
    ['(%x,', '(%z,'],
    ['bf16[batch=8, dim=4]', 'bf17[batch=8, dim=4]'],
    ['return y=%1', ''],
  ])('with %s changed to %s is refused by line or by name', (from, to) => {
    expect(() => parseGraph(text.replace(from, to), ops)).toThrow(/line \d|no graph|no 'return'|not a tensor type/);
  });
});
