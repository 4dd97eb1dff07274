import { afterAll, expect, test } from 'vitest';
import { nn, type Tensor } from '../../src/index.js';
import { generate } from '../../src/train/generate.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

interface Options extends nn.LanguageModelOptions {
  readonly dim: number;
}

/** A model that adds one learned vector a place: it can be traced at its whole context and at no other length. */
class WholeContext extends nn.LanguageModel<Options> {
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim: this.options.dim });
  places = new nn.Parameter({
    dims: [{ sequence: this.options.context }, { dim: this.options.dim }],
    init: nn.normal(0.02),
  });
  head = new nn.Linear({ in: { dim: this.options.dim }, out: { vocab: this.options.vocab }, bias: false });

  forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    const x = this.embedding.forward(tokens);
    return this.head.forward(x.add(this.places.tensor(x)));
  }
}

/** One that says so itself, in words of its own. */
class Strict extends WholeContext {
  override forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    if (tokens.size('sequence') !== this.options.context) throw new RangeError('only whole pages');
    return super.forward(tokens);
  }
}

/** One that is whole at no length. */
class Never extends WholeContext {
  trained = false;

  override forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    if (this.trained) throw new RangeError('no more');
    return super.forward(tokens);
  }
}

test.each([WholeContext, Strict])(
  'a model that is valid only at its full context gets its sample: %o',
  async (Model) => {
    const model = new Model({ dim: 8, context: 40, vocab: 270 });
    const options = { model, sample: { prompt: 'the', tokens: 3 } };
    const { events, folder } = await work.train(Model.name, options);
    expect(events.find(({ kind }) => kind === 'sample')).toMatchObject({
      prompt: 'the',
      text: expect.stringMatching(/./),
    });
    // Shorter than a usual program, longer than the context, and from nothing.
    for (const prompt of ['', 'the ship', 'the ship sails over a calm sea '.repeat(9)]) {
      const text = await generate(folder, { prompt, tokens: 2, temperature: 0, top_k: 0, seed: 0, model });
      expect(text.length).toBeGreaterThan(0);
    }
  },
);

test('where the context fails too, its own error is told', async () => {
  const model = new Never({ dim: 8, context: 8, vocab: 270 });
  const { folder } = await work.train('never', { model });
  model.trained = true;
  const options = { prompt: 'the', tokens: 1, temperature: 0, top_k: 0, seed: 0, model };
  await expect(generate(folder, options)).rejects.toThrow('no more');
});
