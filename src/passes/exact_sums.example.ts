import { ops } from '../ops/index.js';
import { graphExample } from './example.js';
import { exactSums } from './exact_sums.js';
import { tiedEmbedding } from './split_sums.example.js';

export const exactSumsExample = graphExample({
  pass: 'exact_sums',
  title: 'A tied embedding of a reproducible step',
  about:
    'The gradient adds what two uses of the table contribute, and the program will add that up over microbatches and ranks. After the pass ' +
    'each use puts its contribution on one grid, in f64, and no sum of such numbers rounds: a step of four logical microbatches of two tokens ' +
    'has a grid of 2^-43 for it, and nothing above 2^5 on it.',
  registry: ops,
  graph: tiedEmbedding,
  run: (graph) => exactSums(graph, ops, { microbatches: 4, tokens: 2, ranks: 1 }),
});
