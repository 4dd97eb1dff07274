import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { splitSumsByChunk } from './split_sums.js';

/** The gradient of a table that is read at both ends of a model. */
export const tiedEmbedding = `
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
    return gradient of table=%2
  }`;

export const splitSumsExample = graphExample({
  pass: 'split_sums',
  title: 'A tied embedding in two chunks',
  about:
    'The table is read by the first chunk, which looks tokens up in it, and by the last, which multiplies by it. Its gradient adds what ' +
    'both contribute: a message between their groups in every microbatch. After the pass each chunk gives its own part; the ' +
    'update adds the two, once a step.',
  registry: ops,
  graph: tiedEmbedding,
  run: (graph) => splitSumsByChunk(graph, ops, (segment) => (segment === 'head' ? 1 : 0)).graph,
});
