/** A whole model of one's own: a module of a page. `flotilla train` takes it in a config's `model` field. */
import { nn, type Tensor } from '../src/index.js';

interface TinyOptions extends nn.LanguageModelOptions {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
}

export class Block extends nn.Module<{ dim: number; heads: number }> {
  norm1 = new nn.RMSNorm({ dim: this.options.dim });
  attention = new nn.Attention({ dim: this.options.dim, heads: this.options.heads, causal: true });
  norm2 = new nn.RMSNorm({ dim: this.options.dim });
  mlp = new nn.SwiGLU({ dim: this.options.dim, hidden: 4 * this.options.dim });

  forward(x: Tensor<['microbatch', 'batch', 'sequence', 'dim']>) {
    x = x.add(this.attention.forward(this.norm1.forward(x)));
    return x.add(this.mlp.forward(this.norm2.forward(x)));
  }
}

/** Blocks between an embedding with learned positions and a head; `blocks` is what pipeline stages are cut from. */
export class Tiny extends nn.LanguageModel<TinyOptions> {
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim: this.options.dim });
  positions = new nn.Embedding({ by: 'position', count: this.options.context, dim: this.options.dim });
  blocks = Array.from({ length: this.options.layers }, () => new Block(this.options));
  norm = new nn.RMSNorm({ dim: this.options.dim });
  /** A parameter without a layer: one learned number that scales all logits. */
  temperature = new nn.Parameter({ dims: [], init: nn.ones });
  head = new nn.Linear({ in: { dim: this.options.dim }, out: { vocab: this.options.vocab }, bias: false });

  forward(tokens: Tensor<['microbatch', 'batch', 'sequence']>) {
    let x = this.embedding.forward(tokens).add(this.positions.forward(nn.positionsOf(tokens)));
    for (const block of this.blocks) x = block.forward(x);
    return this.head.forward(this.norm.forward(x)).mul(this.temperature.tensor(x));
  }
}

export default new Tiny({ layers: 2, dim: 64, heads: 4, context: 128, vocab: 512 });
