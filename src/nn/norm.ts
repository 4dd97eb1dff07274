/** Normalisation over `dim`. */
import type { Having, Product, Shape } from '../ir/shape.js';
import type { Tensor } from '../ir/tensor.js';
import { ones, zeros } from './init.js';
import { Module, Parameter, type OptionNames } from './module.js';
import { requireFactors } from './require_factors.js';

export interface NormOptions {
  readonly dim: number;
  /** Added to the variance (or mean square). */
  readonly eps?: number;
}

/** Mean 0 and variance 1 over `dim`, then a gain and a shift for each element (Ba, Kiros, Hinton 2016). */
export class LayerNorm extends Module<NormOptions> {
  static override readonly optionNames: OptionNames<NormOptions> = { dim: true, eps: true };
  weight = new Parameter({ dims: [{ dim: this.options.dim }], init: ones });
  bias = new Parameter({ dims: [{ dim: this.options.dim }], init: zeros });

  forward<S extends Shape>(x: Having<S, 'dim'>): Tensor<Product<S, 'dim', 'dim'>>;
  forward(x: Tensor): Tensor {
    requireFactors(this, x, ['dim']);
    return x.apply('layer_norm', [this.weight.tensor(x), this.bias.tensor(x)], {
      eps: this.options.eps ?? 1e-5,
      letters: ['c=dim'],
    });
  }
}

/** Mean square 1 over `dim`, then a gain for each element (Zhang & Sennrich 2019). */
export class RMSNorm extends Module<NormOptions> {
  static override readonly optionNames: OptionNames<NormOptions> = { dim: true, eps: true };
  weight = new Parameter({ dims: [{ dim: this.options.dim }], init: ones });

  forward<S extends Shape>(x: Having<S, 'dim'>): Tensor<Product<S, 'dim', 'dim'>>;
  forward(x: Tensor): Tensor {
    requireFactors(this, x, ['dim']);
    return x.apply('rms_norm', [this.weight.tensor(x)], {
      eps: this.options.eps ?? 1e-5,
      letters: ['c=dim'],
    });
  }
}
