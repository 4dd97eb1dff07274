import { expect, test } from 'vitest';
import type { Graph, Node, ValueId } from '../ir/graph.js';
import { factorsOf } from '../ir/type.js';
import { Mixtral } from '../nn/models/index.js';
import { ops } from '../ops/index.js';
import { applyPrecision } from './precision.js';
import { traceTraining } from './trace_training.js';

const model = new Mixtral({ layers: 1, dim: 8, heads: 2, hidden: 6, context: 4, vocab: 7, experts: 3, choices: 2 });
const { graph: traced } = traceTraining(model, { microbatches: 1, batch: 2, sequence: 4, dtype: 'f32' });

const dtypes = (graph: Graph, ids: readonly ValueId[]) => ids.map((id) => graph.values[id].type.dtype);
const named = (graph: Graph, op: string) => graph.nodes.filter((node) => node.op === op);
const maker = (graph: Graph, id: ValueId) => graph.nodes.find((node) => node.outputs.includes(id))!;

test.each(['bf16', 'f16'] as const)(
  'what a signature reads as f32 stays f32 where all else is %s: routers',
  (compute) => {
    const graph = applyPrecision(traced, ops, compute);
    const [softmax] = named(graph, 'softmax');
    // Logits from the f32 accumulator of a product in the compute type: no rounding in between.
    const logits = maker(graph, softmax.inputs[0]);
    expect(logits.op).toBe('einsum');
    expect(dtypes(graph, logits.inputs)).toEqual([compute, compute]);
    expect(dtypes(graph, [...softmax.inputs, ...softmax.outputs])).toEqual(['f32', 'f32']);
    const [topk] = named(graph, 'topk');
    expect(topk.inputs).toEqual(softmax.outputs);
    const [backward] = named(graph, 'softmax_backward');
    expect(dtypes(graph, [...backward.inputs, ...backward.outputs])).toEqual(['f32', 'f32', 'f32']);
    // Nothing as wide as the residual stream or an expert's hidden layer is f32 beside it.
    const outside = new Set([...graph.inputs, ...graph.outputs].map(({ value }) => value));
    const wide = graph.values.filter(({ id, type }) => type.dtype === 'f32' && !outside.has(id));
    expect(wide.filter(({ type }) => factorsOf(type).some(({ name }) => ['dim', 'hidden'].includes(name)))).toEqual([]);
  },
);

test('a product that sums has operands of one type, and no value is cast twice', () => {
  const graph = applyPrecision(traced, ops, 'bf16');
  const sums = ({ rule }: Node) => rule.operands.flat().some((name) => !rule.results[0].includes(name));
  const products = named(graph, 'einsum').filter((node) => node.inputs.length === 2 && sums(node));
  for (const product of products) {
    const [a, b] = dtypes(graph, product.inputs);
    expect(a, product.source.path).toBe(b);
  }
  const casts = named(graph, 'cast').map((node) => `${node.inputs[0]} ${graph.values[node.outputs[0]].type.dtype}`);
  expect(casts.filter((cast, i) => casts.indexOf(cast) !== i)).toEqual([]);
});
