import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { exactSums } from './exact_sums.js';

export const exactSumsExample = graphExample({
  pass: 'exact_sums',
  title: 'A tied embedding of a reproducible step',
  about:
    'The gradient adds what two uses of the table contribute, and the program will add that up over microbatches and ranks. After the pass ' +
    'each use puts its contribution on one grid, in f64, and no sum of such numbers rounds: a step of four logical microbatches of two tokens ' +
    'has a grid of 2^-43 for it, and nothing above 2^5 on it.',
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
      return gradient of table=%2
    }`,
  run: (graph) => exactSums(graph, ops, { microbatches: 4, tokens: 2, ranks: 1 }),
});
