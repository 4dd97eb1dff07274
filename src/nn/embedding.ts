/** A table of vectors, one for each of `count` integers: rows are picked by id, and an id outside the table gives zeros. */
import type { Made, Shape } from '../ir/shape.js';
import type { Tensor } from '../ir/tensor.js';
import { normal } from './init.js';
import { Module, Parameter, type OptionNames } from './module.js';

export interface EmbeddingOptions {
  /** Name of the factor that ids index: `vocab`, `position`. */
  readonly by: string;
  readonly count: number;
  readonly dim: number;
  /** Standard deviation of the first weights. */
  readonly std?: number;
}

export class Embedding extends Module<EmbeddingOptions> {
  static override readonly optionNames: OptionNames<EmbeddingOptions> = { by: true, count: true, dim: true, std: true };
  weight = new Parameter({
    dims: [{ [this.options.by]: this.options.count }, { dim: this.options.dim }],
    init: normal(this.options.std ?? 0.02),
  });

  /** ids: integers [...] → [... dim]. */
  forward<S extends Shape>(ids: Tensor<S>): Tensor<Made<S, 'dim'>>;
  forward(ids: Tensor): Tensor {
    return this.weight.tensor(ids).apply('gather', [ids], { by: [this.options.by], to: [...ids.names, 'dim'] });
  }
}
