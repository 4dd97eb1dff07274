import type { Graph } from '../ir/graph.js';
import { printGraph } from '../ir/print.js';
import type { Tensor } from '../ir/tensor.js';
import { Embedding } from '../nn/embedding.js';
import { LanguageModel } from '../nn/language_model.js';
import { Linear } from '../nn/linear.js';
import { traceModel } from '../nn/trace.js';
import type { PassExample } from './example.js';

class Bigram extends LanguageModel {
  embedding = new Embedding({ by: 'vocab', count: this.options.vocab, dim: 2 });
  head = new Linear({ in: { dim: 2 }, out: { vocab: this.options.vocab }, bias: false });

  forward(tokens: Tensor) {
    return this.head.forward(this.embedding.forward(tokens));
  }
}

export const traceExample: PassExample<LanguageModel, Graph> = {
  pass: 'trace',
  title: 'A model of two layers',
  about:
    '`forward` runs once, on symbols, and every op that it calls leaves a line: its operands, the type of its result, and after the ' +
    'semicolon the module it comes from. Parameters are inputs by their names in checkpoints. From `softmax_cross_entropy` on the lines ' +
    'are those of every language model: the loss is summed over the real tokens (those whose label is not negative), and they are ' +
    'counted.',
  given: () => new Bigram({ vocab: 5, context: 3 }),
  run: (model) => traceModel(model, { batch: 1, sequence: 3 }).graph,
  before: () => [{ heading: 'Model', file: 'src/passes/trace.example.ts', declaration: 'Bigram' }],
  after: printGraph,
};
