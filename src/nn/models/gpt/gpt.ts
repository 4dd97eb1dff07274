/**
 * GPT-2 (Radford et al. 2019): a decoder of pre-norm blocks with learned positions, LayerNorm, GELU and a head tied to the token
 * embedding. With the sizes of a Hugging Face checkpoint it has the same number of parameters.
 *
 *   parameters = (vocab + context)·dim + layers·(12·dim² + 13·dim) + 2·dim        (hidden = 4·dim)
 *
 * Instead of learned positions it may have ALiBi (Press et al. 2022) or T5's learned biases by distance, which all blocks share.
 */
import type { Tensor } from '../../../ir/tensor.js';
import { Attention } from '../../attention.js';
import { Dropout } from '../../dropout.js';
import { Embedding } from '../../embedding.js';
import { LanguageModel } from '../../language_model.js';
import { Linear } from '../../linear.js';
import { MLP } from '../../mlp.js';
import { Module } from '../../module.js';
import { LayerNorm } from '../../norm.js';
import { positionsOf } from '../../positions.js';
import { RelativeBias } from '../../relative_positions.js';
import { modelSizes } from '../family.js';
import { gptFamily, type GPTOptions, type GPTSizes } from './options.js';

export class GPT extends LanguageModel<GPTSizes> {
  embedding = new Embedding({ by: 'vocab', count: this.options.vocab, dim: this.options.dim });
  positions =
    this.options.positions === 'learned'
      ? new Embedding({ by: 'position', count: this.options.context, dim: this.options.dim })
      : null;
  relative_bias = this.options.positions === 'relative' ? new RelativeBias({ heads: this.options.heads }) : null;
  dropout = new Dropout({ rate: this.options.dropout });
  blocks = Array.from(
    { length: this.options.layers },
    () => new Block({ ...this.options, relative_bias: this.relative_bias }),
  );
  norm = new LayerNorm({ dim: this.options.dim });
  head = new Linear({
    in: { dim: this.options.dim },
    out: { vocab: this.options.vocab },
    bias: false,
    weight: this.embedding.weight,
  });

  constructor(options: GPTOptions) {
    super(modelSizes(gptFamily, 'GPT', options));
  }

  forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    let x = this.embedding.forward(tokens);
    if (this.positions) x = x.add(this.positions.forward(positionsOf(tokens)));
    x = this.dropout.forward(x);
    for (const block of this.blocks) x = block.forward(x);
    return this.head.forward(this.norm.forward(x));
  }
}

/** `x + attention(norm(x))`, then `x + mlp(norm(x))`. */
export class Block extends Module<GPTSizes & { readonly relative_bias: RelativeBias | null }> {
  norm1 = new LayerNorm({ dim: this.options.dim });
  attention = new Attention({
    dim: this.options.dim,
    heads: this.options.heads,
    causal: true,
    window: this.options.window,
    sinks: this.options.sinks,
    alibi: this.options.positions === 'alibi',
    relative_bias: this.options.relative_bias ?? undefined,
    bias: true,
    output_std: residualStd(this.options.layers),
  });
  norm2 = new LayerNorm({ dim: this.options.dim });
  mlp = new MLP({
    dim: this.options.dim,
    hidden: this.options.hidden,
    output_std: residualStd(this.options.layers),
  });
  dropout = new Dropout({ rate: this.options.dropout });

  forward(x: Tensor<['microbatch', 'batch', 'sequence', 'dim']>) {
    x = x.add(this.dropout.forward(this.attention.forward(this.norm1.forward(x))));
    return x.add(this.dropout.forward(this.mlp.forward(this.norm2.forward(x))));
  }
}

/** Each of the 2·layers layers that write to the residual stream adds 1/(2·layers) of its variance (GPT-2 §2.3). */
const residualStd = (layers: number): number => 0.02 / Math.sqrt(2 * layers);
