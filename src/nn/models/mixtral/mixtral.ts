/**
 * Mixtral (Jiang et al. 2024): Llama whose feed-forward layers are mixtures of experts. The routers' balance loss (Fedus et al.
 * 2022) is trained on beside the cross-entropy: for each logical microbatch, weighted by its real tokens, so that it too is a sum
 * over tokens.
 */
import type { Tensor } from '../../../ir/tensor.js';
import { Attention } from '../../attention.js';
import { Embedding } from '../../embedding.js';
import { crossEntropy, LanguageModel, realTokens, type SummedLoss } from '../../language_model.js';
import { Linear } from '../../linear.js';
import { Mixture } from '../../mixture.js';
import { Module } from '../../module.js';
import { RMSNorm } from '../../norm.js';
import { modelSizes } from '../family.js';
import { ropeScalingOf } from '../rope_scaling.js';
import { mixtralFamily, type MixtralOptions, type MixtralSizes } from './options.js';

/** The residual stream, and the sum of the balance losses so far, [microbatch]. */
interface Stream {
  readonly x: Tensor;
  readonly balance: Tensor | null;
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
    const { logits, balance } = this.read(tokens);
    const loss = crossEntropy(logits, labels);
    if (!balance) return loss;
    return labels.builder.within('loss', () => {
      const real = realTokens(labels, balance.dtype).sum('batch sequence');
      const weight = this.options.balance / this.options.layers;
      return { ...loss, auxiliary: balance.einsum([real], []).mul(weight) };
    });
  }

  private read(tokens: Tensor): { logits: Tensor; balance: Tensor | null } {
    let stream: Stream = { x: this.embedding.forward(tokens), balance: null };
    for (const block of this.blocks) stream = block.forward(stream.x, stream.balance);
    return { logits: this.head.forward(this.norm.forward(stream.x)), balance: stream.balance };
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
  });

  forward(x: Tensor, balance: Tensor | null): Stream {
    x = x.add(this.attention.forward(this.norm1.forward(x)));
    const { y, balance: own } = this.experts.forward(this.norm2.forward(x));
    return { x: x.add(y), balance: balance?.add(own) ?? own };
  }
}
