/** Dropout (Srivastava et al. 2014): in training, each element is zero with probability `rate`, and the rest are scaled to keep the mean. */
import type { Shape } from '../ir/shape.js';
import type { Tensor } from '../ir/tensor.js';
import { badSize } from './diagnostics.js';
import { ModelBuilder } from './model_builder.js';
import { Module, type OptionNames } from './module.js';

export interface DropoutOptions {
  /** Share of elements dropped, in [0, 1). */
  readonly rate: number;
}

export class Dropout extends Module<DropoutOptions> {
  static override readonly optionNames: OptionNames<DropoutOptions> = { rate: true };
  constructor(options: DropoutOptions) {
    super(options);
    const { rate } = options;
    if (!(rate >= 0 && rate < 1)) {
      throw badSize({ module: 'Dropout', option: 'rate', value: rate, expected: 'a share of at least 0 and below 1' });
    }
  }

  forward<S extends Shape>(x: Tensor<S>): Tensor<S>;
  forward(x: Tensor): Tensor {
    const builder = ModelBuilder.of(x);
    const { rate } = this.options;
    if (rate === 0 || !builder.training) return x;
    const { seed, step, microbatch } = builder.random();
    return x.apply('dropout', [seed, step, microbatch], { rate, stream: builder.stream() });
  }
}
