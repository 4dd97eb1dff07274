import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import { printGraph } from '../ir/print.js';
import type { Tensor } from '../ir/tensor.js';
import { tensorType } from '../ir/type.js';
import { evaluate } from '../ops/evaluate.js';
import { ops } from '../ops/index.js';
import { gradients } from './autodiff.js';
import { eliminateDeadCode } from './eliminate_dead_code.js';

const input = (builder: GraphBuilder, name: string, factors: Record<string, number>): Tensor =>
  builder.input(name, 'data', tensorType('f64', factors));

const one = (loss: Tensor) => ({ value: loss, cotangent: loss.constant(1) });

describe('gradients', () => {
  test('a value with several readers sums what they contribute', () => {
    const builder = new GraphBuilder(ops);
    const x = input(builder, 'x', { i: 3 });
    const loss = x.square().add(x.mul(5)).add(x).sum('i');
    builder.output('dx', gradients(builder, [one(loss)], [x])[0]!);
    const { outputs } = evaluate(builder.build(), { x: Float64Array.of(1, 2, 3) });
    expect([...outputs.dx]).toEqual([8, 10, 12]);
  });

  test('a value read twice by one op counts twice, also under other names', () => {
    const builder = new GraphBuilder(ops);
    const x = input(builder, 'x', { s: 2 });
    const loss = x.einsum([x.rename({ s: 't' })], 's t').sum('s t'); // (x1 + x2)²
    const [dx] = gradients(builder, [one(loss)], [x]);
    expect(dx!.names).toEqual(['s']);
    builder.output('dx', dx!);
    const { outputs } = evaluate(builder.build(), { x: Float64Array.of(3, 4) });
    expect([...outputs.dx]).toEqual([14, 14]);
  });

  test('a result that nothing reads contributes zeros', () => {
    const builder = new GraphBuilder(ops);
    const x = input(builder, 'x', { i: 2, k: 3 });
    const slices = x.unstack('k');
    const [dx] = gradients(builder, [one(slices[1].sum('i'))], [x]);
    builder.output('dx', dx!);
    const { outputs } = evaluate(builder.build(), { x: new Float64Array(6) });
    expect([...outputs.dx]).toEqual([0, 1, 0, 0, 1, 0]);
  });

  test('an intermediate value can be asked for, together with what it is made of', () => {
    const builder = new GraphBuilder(ops);
    const x = input(builder, 'x', { i: 2 });
    const h = x.mul(3);
    const loss = h.square().sum('i');
    const [dh, dx] = gradients(builder, [one(loss)], [h, x]);
    builder.output('dh', dh!);
    builder.output('dx', dx!);
    const { outputs } = evaluate(builder.build(), { x: Float64Array.of(1, 2) });
    expect([[...outputs.dh], [...outputs.dx]]).toEqual([
      [6, 12],
      [18, 36],
    ]);
  });

  test('where nothing flows the gradient is null', () => {
    const builder = new GraphBuilder(ops);
    const [x, y] = [input(builder, 'x', { i: 2 }), input(builder, 'y', { i: 2 })];
    const throughIntegers = y.apply('cast', [], { dtype: 'i32' }).apply('cast', [], { dtype: 'f64' });
    const loss = x.add(throughIntegers).sum('i');
    expect(gradients(builder, [one(loss)], [x, y])[1]).toBeNull();
  });

  test('backward nodes know their forward node, keep its place, and have its factor names', () => {
    const builder = new GraphBuilder(ops, 'two');
    const x = input(builder, 'x', { batch: 2, dim: 3 });
    const w = input(builder, 'w', { dim: 3, hidden: 4 });
    const loss = builder
      .at({ path: 'mlp.up', segment: 'blocks.0' }, () => x.einsum([w], 'batch hidden').exp())
      .sum('batch hidden');
    const [dw] = gradients(builder, [one(loss)], [w]);
    builder.output('dw', dw!);
    expect(printGraph(eliminateDeadCode(builder.build()))).toBe(`func @two(
  %x: data f64[batch=2, dim=3],
  %w: data f64[dim=3, hidden=4]
) {
  %0 = einsum(%x, %w) {to=[batch, hidden]} : f64[batch=2, hidden=4] ; mlp.up forward blocks.0
  %1 = exp(%0) : f64[batch=2, hidden=4] ; mlp.up forward blocks.0
  %2 = fill() {value=1, dtype=f64, names=[], sizes=[]} : f64[]
  %3 = einsum(%2) {to=[batch, hidden], names=[batch, hidden], sizes=[2, 4]} : f64[batch=2, hidden=4] ; - backward -
  %4 = einsum(%3, %1) {to=[batch, hidden]} : f64[batch=2, hidden=4] ; mlp.up backward blocks.0 from 1
  %5 = einsum(%4, %x) {to=[dim, hidden]} : f64[dim=3, hidden=4] ; mlp.up backward blocks.0 from 0
  return dw=%5
}
`);
  });

  test('a residual cannot be read, nor differentiated through', () => {
    const builder = new GraphBuilder(ops);
    const x = input(builder, 'x', { i: 2, c: 3 });
    const weight = input(builder, 'weight', { c: 3 });
    const [, rstd] = builder.apply('rms_norm', [x, weight]);
    expect(() => rstd.mul(2)).toThrow(/ir\/residual-read/);
    expect(() => gradients(builder, [{ value: rstd, cotangent: rstd }], [x])).toThrow(/ir\/residual-read/);
  });

  test('an op without a backward on the path is refused by name', () => {
    const builder = new GraphBuilder(ops);
    const t = { i: 2 };
    const [p, g, m, v] = ['p', 'g', 'm', 'v'].map((name) => input(builder, name, t));
    const scalars = ['lr', 'scale', 'c1', 'c2', 'skip'].map((name) => input(builder, name, {}));
    const [next] = builder.apply('adamw', [p, g, m, v, ...scalars]);
    expect(() => gradients(builder, [one(next.sum('i'))], [p])).toThrow(/adamw has no backward.*ir\/no-gradient/);
  });
});

describe('dead code elimination', () => {
  test('keeps inputs and what outputs need, and nothing else', () => {
    const builder = new GraphBuilder(ops);
    const x = input(builder, 'x', { i: 2 });
    input(builder, 'unused', { i: 2 });
    x.exp().add(x);
    builder.output('y', x.mul(2));
    const graph = eliminateDeadCode(builder.build());
    expect(graph.nodes.map((node) => node.op)).toEqual(['scale']);
    expect(graph.inputs.map((i) => i.name)).toEqual(['x', 'unused']);
    graph.values.forEach((value, i) => {
      expect(value.id).toBe(i);
      expect(value.node?.outputs.includes(value.id) ?? graph.inputs.some((x) => x.value === value.id)).toBe(true);
    });
    expect([...evaluate(graph, { x: Float64Array.of(1, 2), unused: new Float64Array(2) }).outputs.y]).toEqual([2, 4]);
  });
});
