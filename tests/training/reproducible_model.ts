/**
 * A model in which much could follow the plan: tied weights, attention, dropout, experts whose capacity is not enough for all tokens, and what
 * their routers lose, which is averaged over microbatches and over tokens.
 */
import { nn, type Tensor } from '../../src/index.js';

const dim = 24;

class Block extends nn.Module<object> {
  norm1 = new nn.RMSNorm({ dim });
  attention = new nn.Attention({ dim, heads: 4, kv_heads: 2, causal: true, rotary: { base: 10_000 } });
  norm2 = new nn.LayerNorm({ dim });
  experts = new nn.Mixture({ dim, hidden: 10, experts: 4, choices: 2, capacity_factor: 0.7 });
  dropout = new nn.Dropout({ rate: 0.2 });

  forward(x: Tensor) {
    x = x.add(this.dropout.forward(this.attention.forward(this.norm1.forward(x))));
    const { y, balance, z } = this.experts.forward(this.norm2.forward(x));
    return { x: x.add(this.dropout.forward(y)), balance, z };
  }
}

class Reproduced extends nn.LanguageModel<nn.LanguageModelOptions> {
  embedding = new nn.Embedding({ by: 'vocab', count: this.options.vocab, dim });
  blocks = Array.from({ length: 3 }, () => new Block({}));
  norm = new nn.RMSNorm({ dim });
  head = new nn.Linear({ in: { dim }, out: { vocab: this.options.vocab }, bias: false, weight: this.embedding.weight });

  forward(tokens: Tensor): Tensor {
    return this.read(tokens).logits;
  }

  override loss(tokens: Tensor, labels: Tensor): nn.SummedLoss {
    const { logits, balance, z } = this.read(tokens);
    return {
      ...nn.crossEntropy(logits, labels),
      terms: [
        { name: 'balance', sum: balance.sum('microbatch'), over: 'microbatches', weight: 0.1 },
        { name: 'z_loss', sum: z.sum('microbatch'), over: 'tokens', weight: 0.01 },
      ],
    };
  }

  private read(tokens: Tensor): { logits: Tensor; balance: Tensor; z: Tensor } {
    let stream = this.blocks[0].forward(this.embedding.forward(tokens));
    for (const block of this.blocks.slice(1)) {
      const { x, balance, z } = block.forward(stream.x);
      stream = { x, balance: stream.balance.add(balance), z: stream.z.add(z) };
    }
    return { ...stream, logits: this.head.forward(this.norm.forward(stream.x)) };
  }
}

export const model = new Reproduced({ context: 9, vocab: 270 });
