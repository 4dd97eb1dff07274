/**
 * Mixtral (Jiang et al. 2024): Llama whose feed-forward layers are mixtures of experts. Beside the cross-entropy it trains on the routers'
 * balance loss (Fedus et al. 2022), a mean over logical microbatches and layers, and where asked on their z-loss (Zoph et al. 2022), a mean
 * over real tokens and layers.
 */
import type { Tensor } from '../../../ir/tensor.js';
import { Attention } from '../../attention.js';
import { Embedding } from '../../embedding.js';
import { crossEntropy, LanguageModel, type LossTerm, type SummedLoss } from '../../language_model.js';
import { Linear } from '../../linear.js';
import { Mixture, type MixtureResult } from '../../mixture.js';
import { Module } from '../../module.js';
import { RMSNorm } from '../../norm.js';
import { modelSizes } from '../family.js';
import { ropeScalingOf } from '../rope_scaling.js';
import { mixtralFamily, type MixtralOptions, type MixtralSizes } from './options.js';

/** Of routers, [microbatch]: sums over the layers so far. */
type RouterSums = Omit<MixtureResult, 'y'>;

/** The residual stream, and what the routers that it went through say. */
interface Stream {
  readonly x: Tensor;
  readonly routers: RouterSums | null;
}

export class Mixtral extends LanguageModel<MixtralSizes> {
  embedding = new Embedding({ by: 'vocab', count: this.options.vocab, dim: this.options.dim });
  blocks = Array.from({ length: this.options.layers }, () => new Block(this.options));
  norm = new RMSNorm({ dim: this.options.dim });
  head = new Linear({ in: { dim: this.options.dim }, out: { vocab: this.options.vocab }, bias: false });

  constructor(options: MixtralOptions) {
    super(modelSizes(mixtralFamily, 'Mixtral', options));
  }

  forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    return this.read(tokens).logits;
  }

  override loss(tokens: Tensor, labels: Tensor): SummedLoss {
    const { logits, routers } = this.read(tokens);
    const loss = crossEntropy(logits, labels);
    return { ...loss, terms: routers ? labels.builder.within('loss', () => this.terms(routers)) : [] };
  }

  /** What routers lose, and the share of choices that experts had no place for. */
  private terms({ balance, z, dropped }: RouterSums): readonly LossTerm[] {
    const { layers, choices, balance: balanceWeight, z_loss } = this.options;
    const mean = (x: Tensor) => x.sum('microbatch').mul(1 / layers);
    return [
      ...(balanceWeight > 0
        ? [{ name: 'balance', sum: mean(balance), over: 'microbatches', weight: balanceWeight } as const]
        : []),
      ...(z_loss > 0 ? [{ name: 'z_loss', sum: mean(z), over: 'tokens', weight: z_loss } as const] : []),
      { name: 'dropped', sum: mean(dropped).mul(1 / choices), over: 'tokens', weight: 0 },
    ];
  }

  private read(tokens: Tensor): Stream & { readonly logits: Tensor } {
    let stream: Stream = { x: this.embedding.forward(tokens), routers: null };
    for (const block of this.blocks) stream = block.forward(stream.x, stream.routers);
    return { ...stream, logits: this.head.forward(this.norm.forward(stream.x)) };
  }
}

export class Block extends Module<MixtralSizes> {
  norm1 = new RMSNorm({ dim: this.options.dim });
  attention = new Attention({
    dim: this.options.dim,
    heads: this.options.heads,
    kv_heads: this.options.kv_heads,
    causal: true,
    window: this.options.window,
    rotary: { base: this.options.rope_base, scaling: ropeScalingOf(this.options) },
    sinks: this.options.sinks,
  });
  norm2 = new RMSNorm({ dim: this.options.dim });
  experts = new Mixture({
    dim: this.options.dim,
    hidden: this.options.hidden,
    experts: this.options.experts,
    choices: this.options.choices,
    capacity_factor: this.options.capacity_factor,
    token_groups: this.options.token_groups,
  });

  forward(x: Tensor, routers: RouterSums | null): Stream {
    x = x.add(this.attention.forward(this.norm1.forward(x)));
    const { y, ...own } = this.experts.forward(this.norm2.forward(x));
    return { x: x.add(y), routers: routers ? added(routers, own) : own };
  }
}

const added = (a: RouterSums, b: RouterSums): RouterSums => ({
  balance: a.balance.add(b.balance),
  z: a.z.add(b.z),
  dropped: a.dropped.add(b.dropped),
});
