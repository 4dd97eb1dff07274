/** A mixture whose head is its embedding, so that experts and tied weights meet in one model. */
import { Linear } from '../../src/nn/linear.js';
import { Mixtral } from '../../src/nn/models/index.js';

export class TiedMixtral extends Mixtral {
  override head = new Linear({
    in: { dim: this.options.dim },
    out: { vocab: this.options.vocab },
    bias: false,
    weight: this.embedding.weight,
  });
}
