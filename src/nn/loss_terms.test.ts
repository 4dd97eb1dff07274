import { expect, test } from 'vitest';
import type { Tensor } from '../ir/tensor.js';
import { traceTraining } from '../passes/trace_training.js';
import { countScalars, countStep } from './denominators.js';
import { crossEntropy, LanguageModel, type LossTerm, type SummedLoss } from './language_model.js';
import { Linear } from './linear.js';

/** A model that trains on what `lossOf` makes of its cross-entropy and a scalar. */
function traced(lossOf: (loss: SummedLoss, some: Tensor) => object) {
  class Mine extends LanguageModel {
    linear = new Linear({ in: { vocab: 3 }, out: { vocab: 3 } });
    forward(tokens: Tensor) {
      return this.linear.forward(tokens.oneHot('vocab', 3));
    }
    override loss(tokens: Tensor, labels: Tensor) {
      const logits = this.forward(tokens);
      const some = logits.square().einsum([], []);
      return lossOf(crossEntropy(logits, labels), some) as SummedLoss;
    }
  }
  return traceTraining(new Mine({ vocab: 3, context: 4 }), { microbatches: 2, batch: 1, sequence: 4 });
}

const term = (sum: Tensor, more: object = {}) =>
  ({ name: 'some', sum, over: 'tokens', weight: 0.5, ...more }) as LossTerm;

test('a term is an output beside the loss, and what it is averaged over a scalar where that is not tokens', () => {
  const { graph, terms } = traced((loss, some) => ({
    ...loss,
    terms: [term(some), term(some, { name: 'other', over: 'microbatches' })],
  }));
  expect(terms).toEqual([
    { name: 'some', over: 'tokens' },
    { name: 'other', over: 'microbatches' },
  ]);
  const results = graph.outputs.filter(({ role }) => role.kind === 'result').map(({ name }) => name);
  expect(results).toEqual(['loss_sum', 'tokens', 'sum of some', 'sum of other']);
  const scalars = graph.inputs.filter(({ kind }) => kind === 'scalar').map(({ name }) => name);
  expect(scalars).toEqual(['tokens_per_microbatch']);
});

test('a term of weight 0 is told, and nothing flows from it', () => {
  const plain = traced((loss) => loss);
  const { graph, terms } = traced((loss, some) => ({
    ...loss,
    terms: [term(some, { weight: 0, over: 'microbatches' })],
  }));
  const backward = ({ nodes }: typeof graph) => nodes.filter(({ source }) => source.phase === 'backward').length;
  expect(terms).toHaveLength(1);
  expect(backward(graph)).toBe(backward(plain.graph));
  expect(graph.inputs.some(({ kind }) => kind === 'scalar')).toBe(false);
});

test.each<[string, (loss: SummedLoss, some: Tensor) => object, RegExp]>([
  ['no name for metrics', (loss, some) => ({ ...loss, terms: [term(some, { name: 'Z loss' })] }), /small letters/],
  ['a name twice', (loss, some) => ({ ...loss, terms: [term(some), term(some)] }), /'some', twice/],
  ['no tensor', (loss) => ({ ...loss, terms: [{ name: 'some', sum: 3, over: 'tokens', weight: 1 }] }), /no tensor/],
  [
    'no scalar',
    (loss, some) => ({ ...loss, terms: [term(some.builder.fill(1, 'f32', [{ name: 'batch', size: 1 }]))] }),
    /\[batch\]/,
  ],
  [
    'over what is not counted',
    (loss, some) => ({ ...loss, terms: [term(some, { over: 'layers' })] }),
    /over layers[\s\S]*tokens or microbatches/,
  ],
  ['of no weight', (loss, some) => ({ ...loss, terms: [term(some, { weight: NaN })] }), /weight NaN/],
  [
    'beside tokens that it counts itself',
    (loss, some) => ({ ...loss, tokens: some, terms: [term(some, { over: 'microbatches' })] }),
    /tokens of its own count[\s\S]*nn.crossEntropy/,
  ],
  ['a field that nothing reads', (loss, some) => ({ ...loss, auxiliary: some }), /gives 'auxiliary'/],
])('refused: %s', (_, lossOf, message) => expect(() => traced(lossOf)).toThrow(message));

test('tokens of its own count are taken where no term asks for others', () => {
  expect(traced((loss, some) => ({ ...loss, tokens: some, terms: [term(some)] })).terms).toHaveLength(1);
});

test('a step counts real tokens, and microbatches that have any', () => {
  const counts = countStep(
    [
      [1, -1, 0, 2],
      [-1, -1, -1, -1],
      [-1, 4, -1, -1],
    ].map((labels) => Int32Array.from(labels)),
  );
  expect(counts).toEqual({ tokens: 4, microbatches: 2 });
  expect(countScalars(counts)).toEqual({ tokens_per_microbatch: 2 });
  expect(countScalars({ tokens: 0, microbatches: 0 })).toEqual({ tokens_per_microbatch: 0 });
});
