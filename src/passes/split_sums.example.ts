import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { splitSumsByStage } from './split_sums.js';

export const splitSumsExample = graphExample({
  pass: 'split_sums',
  title: 'A tied embedding on two stages',
  about:
    'The table is read by the first stage, which looks tokens up in it, and by the last, which multiplies by it. Its gradient adds what ' +
    'both contribute: a message between the stages in every microbatch. After the pass each stage gives its own part, `gradient.table` ' +
    'and `gradient.table @1`; the update adds the two, once a step.',
  registry: ops,
  graph: `
    func @tied(
      %table: parameter f32[vocab=5, dim=4],
      %tokens: data i32[token=2],
      %dx: data f32[token=2, dim=4],
      %x: data f32[token=2, dim=4],
      %dlogits: data f32[token=2, vocab=5]
    ) {
      %0 = einsum(%dlogits, %x) {to=[vocab, dim]} : f32[vocab=5, dim=4] ; - backward head
      %1 = scatter(%dx, %tokens) {by=[vocab], sizes=[5], to=[vocab, dim]} : f32[vocab=5, dim=4] ; - backward embedding
      %2 = add(%0, %1) : f32[vocab=5, dim=4] ; - backward embedding
      return gradient.table=%2
    }`,
  run: (graph) => splitSumsByStage(graph, ops, (segment) => (segment === 'head' ? 1 : 0)).graph,
});
