/**
 * Llama (Touvron et al. 2023): a decoder of pre-norm blocks with RMSNorm, rotary positions, SwiGLU and grouped key/value heads,
 * without biases.
 *
 *   parameters = 2·vocab·dim + layers·(2·dim² + 2·dim·kv_heads·head_dim + 3·dim·hidden + 2·dim) + dim     (vocab·dim once where tied)
 */
import type { Tensor } from '../../../ir/tensor.js';
import { Attention } from '../../attention.js';
import { Embedding } from '../../embedding.js';
import { LanguageModel } from '../../language_model.js';
import { Linear } from '../../linear.js';
import { SwiGLU } from '../../mlp.js';
import { Module } from '../../module.js';
import { RMSNorm } from '../../norm.js';
import { modelSizes } from '../family.js';
import { ropeScalingOf } from '../rope_scaling.js';
import { llamaFamily, type LlamaOptions, type LlamaSizes } from './options.js';

export class Llama extends LanguageModel<LlamaSizes> {
  embedding = new Embedding({ by: 'vocab', count: this.options.vocab, dim: this.options.dim });
  blocks = Array.from({ length: this.options.layers }, () => new Block(this.options));
  norm = new RMSNorm({ dim: this.options.dim, eps: this.options.eps });
  head = new Linear({
    in: { dim: this.options.dim },
    out: { vocab: this.options.vocab },
    bias: false,
    weight: this.options.tied ? this.embedding.weight : undefined,
  });

  constructor(options: LlamaOptions) {
    super(modelSizes(llamaFamily, 'Llama', options));
  }

  forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    let x = this.embedding.forward(tokens);
    for (const block of this.blocks) x = block.forward(x);
    return this.head.forward(this.norm.forward(x));
  }
}

/** `x + attention(norm(x))`, then `x + swiglu(norm(x))`. */
export class Block extends Module<LlamaSizes> {
  norm1 = new RMSNorm({ dim: this.options.dim, eps: this.options.eps });
  attention = new Attention({
    dim: this.options.dim,
    heads: this.options.heads,
    kv_heads: this.options.kv_heads,
    causal: true,
    window: this.options.window,
    rotary: { base: this.options.rope_base, scaling: ropeScalingOf(this.options) },
    sinks: this.options.sinks,
  });
  norm2 = new RMSNorm({ dim: this.options.dim, eps: this.options.eps });
  mlp = new SwiGLU({ dim: this.options.dim, hidden: this.options.hidden });

  forward(x: Tensor<['microbatch', 'batch', 'sequence', 'dim']>) {
    x = x.add(this.attention.forward(this.norm1.forward(x)));
    return x.add(this.mlp.forward(this.norm2.forward(x)));
  }
}
