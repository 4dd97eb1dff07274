/** Models of one's own that are refused while they are read or traced: of each code of ops and layers, a mistake that gives it. */
import { nn, type Tensor } from '../../src/index.js';

const sizes = { context: 8, vocab: 270 };

/** What a model does between its embedding and its head. */
type Middle = (x: Tensor, model: nn.LanguageModel) => Tensor;

/** A model of the class `Own`, whatever is in the middle, so that a run of one takes another for its own, edited. */
export function ownModel(middle: Middle = (x) => x, extra: () => object = () => ({})): nn.LanguageModel {
  class Own extends nn.LanguageModel {
    embedding = new nn.Embedding({ by: 'vocab', count: 270, dim: 6 });
    head = new nn.Linear({ in: { dim: 6 }, out: { vocab: 270 }, bias: false });
    constructor() {
      super(sizes);
      Object.assign(this, extra());
    }
    forward(tokens: Tensor): Tensor {
      return this.head.forward(middle(this.embedding.forward(tokens), this));
    }
  }
  return new Own();
}

/** A model that has this layer, and gives it what is in the middle. */
const withLayer = (layer: () => { forward(x: Tensor): Tensor }, given: (x: Tensor) => Tensor = (x) => x) =>
  ownModel(
    (x, model) => (model as unknown as { layer: { forward(x: Tensor): Tensor } }).layer.forward(given(x)),
    () => ({ layer: layer() }),
  );

const parameter = (factor = 'dim') => new nn.Parameter({ dims: [{ [factor]: 6 }], init: nn.zeros });

export const wrongModels: Readonly<Record<string, () => nn.LanguageModel>> = {
  'ir/addressed-factor': () =>
    ownModel((x) =>
      x.apply('gather', [x.builder.iota({ name: 'dim', size: 6 }, 'i32')], { by: ['dim'], to: ['batch'] }),
    ),
  'ir/attribute-out-of-range': () => ownModel((x) => x.apply('topk', [], { factor: 'dim', k: 9 })),
  'ir/binding-mismatch': () => withLayer(() => new nn.LayerNorm({ dim: 8 })),
  'ir/mask-not-number': () => ownModel((x) => x.ge(0).mul(x.lt(1))),
  'ir/no-such-factor': () => ownModel((x) => x.sum('width')),
  'ir/not-together': () => ownModel((x) => x.apply('join', [], { factor: ['batch', 'dim'], names: ['both'] })),
  'ir/operand-repeats-factor': () => ownModel((x) => x.rename({ sequence: 'dim' }).exp()),
  'ir/residual-read': () =>
    ownModel((x) => {
      const labels = x.sum('dim').cast('i32');
      const [, kept] = x.builder.apply('softmax_cross_entropy', [x, labels], { letters: ['v=dim'] });
      return x.add(kept);
    }),
  'ir/size-mismatch': () =>
    withLayer(
      () => new nn.Linear({ in: { dim: 8 }, out: { hidden: 6 } }),
      (x) => x,
    ),
  'ir/unknown-attribute': () => ownModel((x) => x.apply('roll', [], { factor: 'dim', shift: 1 })),
  'ir/unknown-letter': () => ownModel((x) => x.apply('softmax', [], { letters: ['x=dim'] })),
  'ir/unknown-op': () => ownModel((x) => x.apply('sotfmax')),
  'ir/wrong-attribute': () => ownModel((x) => x.apply('roll', [], { factor: 'dim' })),
  'ir/wrong-dtype': () => ownModel((x) => x.cast('i32').log()),
  'ir/wrong-ids': () =>
    ownModel((x) => x.apply('gather', [x.builder.iota({ name: 'side', size: 6 }, 'i32')], { by: [], to: ['batch'] })),
  'ir/wrong-operands': () => ownModel((x) => x.apply('exp', [x])),
  'nn/bad-size': () => ownModel(undefined, () => ({ part: new nn.LayerNorm({} as { dim: number }) })),
  'nn/missing-factor': () => withLayer(() => new nn.Linear({ in: { width: 6 }, out: { dim: 6 } })),
  'nn/model-fails': () => ownModel((x) => (x as unknown as { gelu(): Tensor }).gelu()),
  'nn/no-forward': () => ownModel(undefined, () => ({ forward: null })),
  'nn/parameter-outside-model': () => ownModel((x) => x.add(parameter().tensor(x))),
  'nn/repeated-factor': () => withLayer(() => new nn.Linear({ in: { dim: 6 }, out: { batch: 3 } })),
  'nn/repeated-name': () => ownModel(undefined, () => ({ 'gates.0': parameter(), gates: [parameter()] })),
  'nn/reserved-name': () => ownModel(undefined, () => ({ loss: parameter() })),
  'nn/unexpected-factor': () =>
    ownModel(
      (x, model) =>
        (model as unknown as { layer: nn.Mixture }).layer.forward(x.stack([x], 'side', [...x.names, 'side'])).y,
      () => ({ layer: new nn.Mixture({ dim: 6, hidden: 4, experts: 2, choices: 1 }) }),
    ),
  'nn/wrong-term': () =>
    ownModel(undefined, () => ({
      loss(this: nn.LanguageModel, tokens: Tensor, labels: Tensor) {
        const each = { name: 'each', sum: labels.cast('f32'), over: 'tokens', weight: 1 };
        return { ...nn.crossEntropy(this.forward(tokens), labels), terms: [each] };
      },
    })),
  'nn/wrong-result': () => ownModel(undefined, () => ({ forward: () => undefined })),
  'ir/no-gradient': () => ownModel((x) => x.apply('gelu_backward', [x])),
  'passes/nothing-to-train': () =>
    ownModel(undefined, () => ({ forward: (tokens: Tensor) => tokens.oneHot('vocab', 270) })),
};
