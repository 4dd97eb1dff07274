/** A model in which much could follow the plan: tied weights, attention, dropout, and experts whose capacity is not enough for all tokens. */
import { nn, type Tensor } from '../../src/index.js';

const dim = 24;

class Block extends nn.Module<object> {
  norm1 = new nn.RMSNorm({ dim });
  attention = new nn.Attention({ dim, heads: 4, kv_heads: 2, causal: true, rotary: { base: 10_000 } });
  norm2 = new nn.LayerNorm({ dim });
  experts = new nn.Mixture({ dim, hidden: 10, experts: 4, choices: 2, capacity_factor: 0.7 });
  dropout = new nn.Dropout({ rate: 0.2 });

  forward(x: Tensor): Tensor {
    x = x.add(this.dropout.forward(this.attention.forward(this.norm1.forward(x))));
    return x.add(this.dropout.forward(this.experts.forward(this.norm2.forward(x)).y));
  }
}

class Reproduced extends nn.LanguageModel<nn.LanguageModelOptions> {
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim });
  blocks = Array.from({ length: 3 }, () => new Block({}));
  norm = new nn.RMSNorm({ dim });
  head = new nn.Linear({ in: { dim }, out: { vocab: this.options.vocab }, bias: false, weight: this.embedding.weight });

  forward(tokens: Tensor): Tensor {
    let x: Tensor = this.embedding.forward(tokens);
    for (const block of this.blocks) x = block.forward(x);
    return this.head.forward(this.norm.forward(x));
  }
}

export const model = new Reproduced({ context: 9, vocab: 270 });
