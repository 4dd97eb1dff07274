import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { applyPrecision } from './precision.js';

export const precisionExample = graphExample({
  pass: 'precision',
  title: 'A layer in bf16, its gradient in f32',
  about:
    'The parameters stay f32: each is cast where ops read it, and types follow from there. `%gain` is not cast, since the norm alone ' +
    'reads it and takes any float; its statistic (`rms_norm`’s second result) is f32 by its signature. The gradient, a product of two ' +
    'bf16 operands, is asked for in f32, `{dtype=f32}`: it comes from the accumulator, never rounded to bf16.',
  registry: ops,
  graph: `
    func @layer(
      %table: parameter f32[vocab=5, dim=4],
      %gain: parameter f32[dim=4],
      %w: parameter f32[dim=4, hidden=3],
      %tokens: data i32[token=2]
    ) {
      %0 = gather(%table, %tokens) {by=[vocab], to=[token, dim]} : f32[token=2, dim=4]
      %1, %2 = rms_norm(%0, %gain) {eps=1e-5} : f32[token=2, dim=4], f32[token=2]
      %3 = einsum(%1, %w) {to=[token, hidden]} : f32[token=2, hidden=3]
      %4 = einsum(%1, %3) {to=[dim, hidden]} : f32[dim=4, hidden=3] ; - backward - from 2
      return gradient of w=%4
    }`,
  run: (graph) => applyPrecision(graph, ops, 'bf16'),
});

export const wideSoftmax = graphExample({
  pass: 'precision',
  title: 'Logits that a softmax reads',
  about:
    'Its signature reads `f32`, so the product that makes the logits is asked for in f32 too, and no bf16 number lies between the ' +
    'accumulator and the exponential. What it multiplies is bf16 all the same: `%x` is cast along with `%head`.',
  registry: ops,
  graph: `
    func @head(
      %x: data f32[token=2, dim=4],
      %head: parameter f32[vocab=5, dim=4]
    ) {
      %0 = einsum(%x, %head) {to=[token, vocab]} : f32[token=2, vocab=5]
      %1 = softmax(%0) {letters=["v=vocab"]} : f32[token=2, vocab=5]
      return probability=%1
    }`,
  run: (graph) => applyPrecision(graph, ops, 'bf16'),
});
