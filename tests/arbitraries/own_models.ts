/**
 * Random small models of one's own, made of the ops that docs/ops documents: a residual stream, and pieces that read it and add to it.
 * Drawn as plain words and numbers that shrink towards one piece; shapes and data follow from them.
 */
import fc from 'fast-check';
import { nn, type Tensor } from '../../src/index.js';
import type { FactorSizes } from '../../src/nn/module.js';

export interface OwnModelDraw {
  readonly pieces: readonly PieceDraw[];
  readonly sizes: { readonly dim: number; readonly sequence: number; readonly vocab: number };
  readonly batch: number;
  /** Logical microbatches in a scheduled one. */
  readonly logical: number;
  readonly microbatches: number;
  /** Element type of the residual stream: that of the embedding, or asked for. */
  readonly stream: 'same' | 'f32' | 'bf16' | 'f64';
  readonly loss: (typeof losses)[number];
  /** A parameter that nothing reads. */
  readonly unused: boolean;
}

export interface PieceDraw {
  readonly kind: keyof typeof pieces;
  /** What it varies by: each takes what it needs. */
  readonly variant: number;
  /** How what it makes joins the stream. */
  readonly join: 'add' | 'replace' | 'gate';
}

export const anyOwnModel = (): fc.Arbitrary<OwnModelDraw> =>
  fc.record<OwnModelDraw>({
    pieces: fc.array(
      fc.record<PieceDraw>({
        kind: fc.constantFrom(...pieceKinds),
        variant: fc.nat(11),
        join: fc.constantFrom('add', 'replace', 'gate'),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    sizes: fc.record({
      dim: fc.constantFrom(4, 6, 8, 10, 16),
      sequence: fc.integer({ min: 1, max: 7 }),
      vocab: fc.integer({ min: 2, max: 13 }),
    }),
    batch: fc.integer({ min: 1, max: 3 }),
    logical: fc.integer({ min: 1, max: 2 }),
    microbatches: fc.integer({ min: 1, max: 3 }),
    stream: fc.constantFrom('same', 'f32', 'bf16', 'f64'),
    loss: fc.constantFrom(...losses),
    unused: fc.boolean(),
  });

const losses = ['plain', 'scaled', 'smoothed', 'decay', 'z'] as const;

interface Options extends nn.LanguageModelOptions {
  readonly draw: OwnModelDraw;
}

/** The model that a draw means. */
export class OwnModel extends nn.LanguageModel<Options> {
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim: this.dim, std: 0.5 });
  blocks = this.options.draw.pieces.map((piece) => new Piece({ ...this.options.draw.sizes, piece }));
  head = new nn.Linear({ in: { dim: this.dim }, out: { vocab: this.options.vocab }, bias: false, std: 0.3 });
  idle = this.options.draw.unused ? new nn.Parameter({ dims: [{ dim: this.dim }], init: nn.ones }) : null;

  constructor(draw: OwnModelDraw) {
    super({ draw, context: draw.sizes.sequence, vocab: draw.sizes.vocab });
  }

  private get dim(): number {
    return this.options.draw.sizes.dim;
  }

  forward(tokens: Tensor): Tensor {
    const { stream } = this.options.draw;
    let x = this.embedding.forward(tokens);
    if (stream !== 'same') x = x.cast(stream);
    for (const block of this.blocks) x = block.forward(x, tokens);
    return this.head.forward(x);
  }

  override loss(tokens: Tensor, labels: Tensor): nn.SummedLoss {
    const logits = this.forward(tokens);
    const loss = logits.apply('softmax_cross_entropy', [labels], { letters: ['v=vocab'] });
    const sums = nn.sumOverRealTokens(loss, labels);
    const with_ = (lossSum: Tensor) => ({ ...sums, lossSum });
    switch (this.options.draw.loss) {
      case 'plain':
        return sums;
      case 'scaled':
        return with_(sums.lossSum.mul(0.25));
      case 'smoothed': {
        const wide = logits.cast('f32');
        const real = labels.ge(labels.constant(0)).cast('f32');
        return with_(sums.lossSum.mul(0.9).sub(wide.mean('vocab').einsum([real], []).mul(0.1)));
      }
      case 'decay':
        return with_(sums.lossSum.add(this.head.weight.tensor(tokens).square().sum('vocab dim').mul(0.01)));
      case 'z': {
        const wide = logits.cast('f32');
        const top = wide.max('vocab');
        const z = wide.sub(top).exp().sum('vocab').log().add(top);
        return with_(sums.lossSum.add(z.square().sum(z.names).mul(1e-3)));
      }
    }
  }
}

interface PieceOptions {
  readonly dim: number;
  readonly sequence: number;
  readonly vocab: number;
  readonly piece: PieceDraw;
}

class Piece extends nn.Module<PieceOptions> {
  /** Parameters and modules, made by the piece that asks for them first. */
  parts: Record<string, nn.Parameter | nn.Module<unknown>> = {};
  private readonly made = pieces[this.options.piece.kind](new Parts(this), this.options, this.options.piece.variant);
  private readonly gate =
    this.options.piece.join === 'gate' ? new Parts(this).parameter('gate', [{ dim: this.options.dim }], 0.5) : null;

  constructor(options: PieceOptions) {
    super(options);
    // What the piece is made of becomes fields: they are the tree.
    Object.assign(this, this.parts);
    this.parts = {};
  }

  forward(x: Tensor, tokens: Tensor): Tensor {
    const order = x.names;
    const y = this.made(x, tokens).transpose(order);
    switch (this.options.piece.join) {
      case 'add':
        return x.add(y.cast(x.dtype));
      case 'replace':
        return y.cast(x.dtype);
      case 'gate':
        return x.add(y.mul(this.gate!.tensor(x).sigmoid()).cast(x.dtype));
    }
  }
}

class Parts {
  private readonly holder: Piece;

  constructor(holder: Piece) {
    this.holder = holder;
  }

  parameter(name: string, dims: readonly FactorSizes[], std = 0.3): nn.Parameter {
    const parameter = new nn.Parameter({ dims, init: nn.normal(std) });
    this.holder.parts[name] = parameter;
    return parameter;
  }

  module<M extends nn.Module<unknown>>(name: string, module: M): M {
    this.holder.parts[name] = module;
    return module;
  }
}

type Made = (x: Tensor, tokens: Tensor) => Tensor;
type PieceMaker = (parts: Parts, options: PieceOptions, variant: number) => Made;

const pick = <T>(list: readonly T[], variant: number): T => list[variant % list.length];

/** Runs of the same values in other orders of factors: what transposes and permuted parameters give. */
const orders: readonly (readonly string[])[] = [
  ['microbatch', 'batch', 'sequence', 'dim'],
  ['dim', 'sequence', 'batch', 'microbatch'],
  ['sequence', 'microbatch', 'dim', 'batch'],
  ['batch', 'dim', 'microbatch', 'sequence'],
];

const pieces = {
  activation: (parts, { dim }, variant) => {
    const up = parts.module('up', new nn.Linear({ in: { dim }, out: { hidden: 5 }, std: 0.4 }));
    const down = parts.module(
      'down',
      new nn.Linear({ in: { hidden: 5 }, out: { dim }, bias: variant % 2 === 0, std: 0.4 }),
    );
    const act = pick<(h: Tensor) => Tensor>(
      [
        (h) => h.apply('gelu'),
        (h) => h.apply('gelu', [], { exact: true }),
        (h) => h.apply('silu'),
        (h) => h.relu(),
        (h) => h.tanh(),
        (h) => h.sigmoid(),
        (h) => h.erf(),
        (h) => h.apply('cos'),
        (h) => h.apply('sin'),
        (h) => h.square().add(1).log(),
        (h) => h.square().add(0.5).sqrt(),
        (h) => h.square().add(0.5).rsqrt(),
      ],
      variant,
    );
    return (x) => down.forward(act(up.forward(x)));
  },
  gated_weight: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ out: dim }, { dim }]);
    const kind = variant % 6;
    const dims = pick<readonly FactorSizes[]>(
      [[{ out: dim }, { dim }], [{ dim }], [{ out: dim }], [], [{ dim }, { out: dim }], []],
      kind,
    );
    const gate = kind === 5 ? null : parts.parameter('scale', dims, 0.7);
    return (x) => {
      const w = weight.tensor(x);
      const gated = gate ? w.mul(gate.tensor(x)) : w.mul(-1.5);
      return x.einsum([gated], [...x.names.slice(0, -1), 'out']).rename({ out: 'dim' });
    };
  },
  masked_weight: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ out: dim }, { dim }]);
    return (x) => {
      const w = weight.tensor(x);
      const [i, j] = ['out', 'dim'].map((name) => x.builder.iota({ name, size: dim }, 'i32'));
      const mask = i.ge(j);
      const masked = pick(
        [() => mask.where(w, w.constant(0)), () => w.mul(mask.cast(w.dtype)), () => w.mul(mask.cast('f32'))],
        variant,
      )();
      return x.einsum([masked], [...x.names.slice(0, -1), 'out']).rename({ out: 'dim' });
    };
  },
  transposed_weight: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ a: dim }, { b: 2 }, { c: dim }]);
    return (x) => {
      const w = weight.tensor(x).transpose(
        pick(
          [
            ['c', 'a', 'b'],
            ['b', 'c', 'a'],
            ['a', 'c', 'b'],
          ],
          variant,
        ),
      );
      const [first, second] = w.unstack('b');
      const y = x.einsum([first.rename({ a: 'dim' })], ['c', ...x.names.slice(0, -1)]);
      return y.mul(second.mean('a')).rename({ c: 'dim' });
    };
  },
  token_mixing: (parts, { dim, sequence }, variant) => {
    const weight = parts.parameter(
      'weight',
      pick<readonly FactorSizes[]>(
        [
          [{ sequence }, { place: sequence }],
          [{ place: sequence }, { sequence }],
          [{ dim }, { sequence }, { place: sequence }],
        ],
        variant,
      ),
    );
    return (x) =>
      x
        .einsum(
          [weight.tensor(x)],
          pick(
            [
              ['microbatch', 'batch', 'place', 'dim'],
              ['place', 'dim', 'batch', 'microbatch'],
              ['batch', 'place', 'microbatch', 'dim'],
            ],
            variant >> 1,
          ),
        )
        .rename({ place: 'sequence' });
  },
  low_rank: (parts, { dim }, variant) => {
    const [a, b] = [parts.parameter('a', [{ dim }, { rank: 2 }]), parts.parameter('b', [{ rank: 2 }, { out: dim }])];
    return (x) =>
      x
        .einsum(
          [a.tensor(x), b.tensor(x)],
          variant % 2 ? ['out', ...x.names.slice(0, -1)] : [...x.names.slice(0, -1), 'out'],
        )
        .rename({ out: 'dim' });
  },
  three: (parts, { dim, sequence }, variant) => {
    const [a, b] = [parts.parameter('a', [{ dim }]), parts.parameter('b', [{ sequence }])];
    return (x) => x.einsum([a.tensor(x), b.tensor(x)], pick(orders, variant));
  },
  pooled: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ dim }, { extra: 3 }]);
    const over = pick(['sequence', 'batch', 'sequence batch', 'microbatch'], variant);
    // The product sums a factor that the weight alone has, and one that the stream alone has.
    return (x) =>
      x.add(
        x
          .einsum(
            [weight.tensor(x)],
            x.names.filter((name) => !over.split(' ').includes(name)),
          )
          .mul(0.1),
      );
  },
  roll: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ dim }]);
    return (x) =>
      x
        .apply('roll', [], {
          factor: pick(['sequence', 'dim', 'batch'], variant),
          by: pick([1, -1, 2, -3, 0], variant),
        })
        .mul(weight.tensor(x));
  },
  norm: (parts, { dim }, variant) => {
    if (variant % 4 === 0) return norm(parts.module('norm', new nn.LayerNorm({ dim, eps: 0.1 })));
    if (variant % 4 === 1) return norm(parts.module('norm', new nn.RMSNorm({ dim, eps: 0.1 })));
    const [gain, shift] = [parts.parameter('gain', [{ dim }]), parts.parameter('shift', [{ dim }])];
    return (x) => {
      const centred = variant % 4 === 2 ? x.sub(x.mean('dim')) : x;
      const scale = centred.square().mean('dim').add(0.1);
      return (variant % 2 ? centred.div(scale.sqrt()) : centred.mul(scale.rsqrt()))
        .mul(gain.tensor(x))
        .add(shift.tensor(x));
    };
  },
  norm_transposed: (parts, { sequence, dim }, variant) => {
    const along = pick(['sequence', 'dim'], variant);
    const weight = parts.parameter('weight', [along === 'dim' ? { dim } : { sequence }]);
    return (x) =>
      x
        .transpose([...x.names.filter((name) => name !== along), along])
        .apply('rms_norm', [weight.tensor(x)], { eps: 0.1, letters: [`c=${along}`] });
  },
  softmax: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ dim }]);
    return (x) => {
      const along = pick(['dim', 'sequence', 'batch'], variant);
      const scores = x.mul(weight.tensor(x)).transpose([...x.names.filter((name) => name !== along), along]);
      return scores.apply('softmax', [], { letters: [`v=${along}`] }).mul(x);
    };
  },
  attention: (parts, { dim }, variant) => {
    const options = pick(
      [
        { heads: 2 },
        { heads: 1, bias: true },
        { heads: 2, kv_heads: 1 },
        { heads: 1, rotary: { base: 100 } },
        { heads: 2, head_dim: 3 },
        { heads: 2, kv_heads: 1, head_dim: 4, rotary: { base: 10 } },
        { heads: 2, window: 2 },
        { heads: 2, sinks: true },
        { heads: 3, head_dim: 2, alibi: true },
        { heads: 4, kv_heads: 2, head_dim: 2, sinks: true, alibi: true, scale: 0.5 },
        {
          heads: 2,
          kv_heads: 1,
          head_dim: 4,
          relative_bias: new nn.RelativeBias({ heads: 2, kv_heads: 1, buckets: 4, max_distance: 4 }),
        },
      ],
      variant,
    );
    const attention = parts.module('attention', new nn.Attention({ dim, causal: variant % 2 === 0, ...options }));
    return (x) => attention.forward(x);
  },
  own_attention: (parts, { dim }, variant) => {
    const [q, k] = ['q', 'k'].map((name) => parts.parameter(name, [{ dim }, { key: 3 }]));
    return (x) => {
      const [query, key] = [q, k].map((w) =>
        x.einsum(
          [w.tensor(x)],
          variant % 2 ? ['microbatch', 'batch', 'key', 'sequence'] : ['microbatch', 'batch', 'sequence', 'key'],
        ),
      );
      const keys = key.rename({ sequence: 'place' });
      const scores = query.einsum([keys], ['microbatch', 'batch', 'sequence', 'place']).mul(0.5);
      const size = x.size('sequence');
      const seen = x.builder.iota({ name: 'sequence', size }, 'i32').ge(x.builder.iota({ name: 'place', size }, 'i32'));
      const masked = seen.where(scores, scores.constant(-1e4)).transpose(scores.names);
      return masked
        .apply('softmax', [], { letters: ['v=place'] })
        .einsum([x.rename({ sequence: 'place' })], pick(orders, variant));
    };
  },
  swiglu: (parts, { dim }, variant) => {
    if (variant % 3 === 0) {
      const swiglu = parts.module('swiglu', new nn.SwiGLU({ dim, hidden: 5 }));
      return (x) => swiglu.forward(x);
    }
    const gate = parts.parameter('weight', [{ dim }]);
    return (x) =>
      (variant % 3 === 1 ? x : x.cast('f32')).apply('swiglu', [
        x.mul(gate.tensor(x)).cast(variant % 3 === 1 ? x.dtype : 'bf16'),
      ]);
  },
  heads: (parts, { dim }, variant) => {
    const qkv = parts.module(
      'qkv',
      new nn.Linear({ in: { dim }, out: { part: 3, dim: dim }, bias: variant % 2 === 0, std: 0.3 }),
    );
    return (x) => {
      const [a, b, c] = qkv.forward(x).unstack('part');
      const gated = pick(
        [
          () => a.apply('silu').mul(b),
          () => a.apply('softmax', [], { letters: ['v=dim'] }).mul(b),
          () => a.maximum(b),
          () => a.div(b.square().add(1)),
        ],
        variant,
      )();
      return gated.stack([c], 'pair', ['pair', ...gated.names]).mean('pair');
    };
  },
  cumulative: (parts, { dim, sequence }, variant) => {
    const weight = parts.parameter('weight', [{ dim }]);
    return (x) =>
      x
        .mul(weight.tensor(x))
        .apply('cumsum', [], {
          factor: pick<readonly string[]>([['sequence'], ['dim'], ['batch', 'dim'], ['sequence', 'dim']], variant),
          reverse: variant % 2 === 1,
        })
        .mul(1 / (sequence * dim));
  },
  extremes: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ dim }]);
    return (x) => {
      const y = x.mul(weight.tensor(x));
      return pick(
        [
          () => x.sub(x.max('dim')),
          () => x.sub(y.max('sequence dim')),
          () => x.minimum(y),
          () => x.ge(y).where(x, y),
          () => y.sub(y.max('batch')),
        ],
        variant,
      )();
    };
  },
  lookup: (parts, { dim, vocab }, variant) => {
    const table = parts.parameter('table', variant % 2 ? [{ dim }, { word: vocab }] : [{ word: vocab }, { dim }], 0.5);
    const to = pick(orders, variant);
    return (x, tokens) => table.tensor(x).apply('gather', [tokens], { by: ['word'], to });
  },
  bag: (parts, { dim, vocab }, variant) => {
    const weight = parts.parameter('weight', [{ dim }]);
    const to = pick(
      [
        ['microbatch', 'batch', 'word', 'dim'],
        ['word', 'dim', 'microbatch', 'batch'],
        ['word', 'batch', 'dim'],
      ],
      variant,
    );
    return (x, tokens) => {
      const bags = x.mul(weight.tensor(x)).apply('scatter', [tokens], { by: ['word'], to, sizes: [vocab] });
      return bags.apply('gather', [tokens], { by: ['word'], to: x.names });
    };
  },
  experts: (parts, { dim }, variant) => {
    // Routed by tokens' numbers, which no rounding moves.
    const weight = parts.parameter('weight', [{ experts: 3 }, { dim }, { out: dim }]);
    return (x, tokens) => {
      const expert = x.builder.iota({ name: 'experts', size: 3 }, 'i32');
      const chosen = pick([() => tokens.eq(expert), () => tokens.ge(expert), () => tokens.lt(expert)], variant)().cast(
        x.dtype,
      );
      return x.einsum([chosen, weight.tensor(x)], [...x.names.slice(0, -1), 'out']).rename({ out: 'dim' });
    };
  },
  choice: (parts, { dim }, variant) => {
    const k = 1 + (variant % 3);
    const weight = parts.parameter('weight', [{ dim }]);
    return (x) => {
      // Chosen by place, of numbers far apart.
      const size = x.size('dim');
      const ranks = x.builder.iota({ name: 'dim', size }, 'f32').apply('cos');
      const ids = ranks.apply('topk', [], { factor: 'dim', k });
      const largest = x
        .mul(weight.tensor(x))
        .apply('gather', [ids], { by: ['dim'], to: ['microbatch', 'batch', 'sequence', 'k'] });
      return x.mul(largest.mean('k'));
    };
  },
  dropout: (parts, { dim }, variant) => {
    const dropout = parts.module('dropout', new nn.Dropout({ rate: pick([0.1, 0.5, 0.9], variant) }));
    const weight = parts.parameter('weight', [{ dim }]);
    return (x) => dropout.forward(variant % 2 ? x.transpose(pick(orders, variant)) : x).mul(weight.tensor(x));
  },
  precision: (parts, { dim }, variant) => {
    const weight = parts.parameter('weight', [{ out: dim }, { dim }]);
    return (x) => {
      const [a, b] = pick<readonly ['bf16' | 'f16' | 'f32' | 'f64', 'bf16' | 'f16' | 'f32' | 'f64']>(
        [
          ['bf16', 'f32'],
          ['f32', 'bf16'],
          ['f16', 'f32'],
          ['f64', 'f32'],
          ['f32', 'f64'],
          ['bf16', 'f16'],
          ['f16', 'f16'],
        ],
        variant,
      );
      return x
        .cast(a)
        .einsum([weight.tensor(x).cast(b)], [...x.names.slice(0, -1), 'out'])
        .rename({ out: 'dim' });
    };
  },
  outer: (parts, { dim }, variant) => {
    const [a, b] = [parts.parameter('a', [{ dim }]), parts.parameter('b', [{ out: dim }])];
    return (x) => {
      const table = variant % 2 ? a.tensor(x).mul(b.tensor(x)) : a.tensor(x).einsum([b.tensor(x)], ['out', 'dim']);
      return table.einsum([x], [...x.names.slice(0, -1), 'out']).rename({ out: 'dim' });
    };
  },
} satisfies Readonly<Record<string, PieceMaker>>;

export const pieceKinds = Object.keys(pieces) as readonly (keyof typeof pieces)[];

function norm(module: nn.LayerNorm | nn.RMSNorm): Made {
  return (x) => module.forward(x);
}
