/** The two feed-forward layers that transformers use: to `hidden` and back, with something nonlinear between. */
import type { Having, Product, Shape } from '../ir/shape.js';
import type { Tensor } from '../ir/tensor.js';
import { Linear } from './linear.js';
import { Module, type OptionNames } from './module.js';

export interface MLPOptions {
  readonly dim: number;
  readonly hidden: number;
  readonly bias?: boolean;
  /** Standard deviation of the first weights of `down`, which writes to the residual stream. */
  readonly output_std?: number;
}

/** `down(gelu(up(x)))` with GELU's tanh form, as in GPT-2. */
export class MLP extends Module<MLPOptions> {
  static override readonly optionNames: OptionNames<MLPOptions> = {
    dim: true,
    hidden: true,
    bias: true,
    output_std: true,
  };
  up = new Linear({ in: { dim: this.options.dim }, out: { hidden: this.options.hidden }, bias: this.options.bias });
  down = new Linear({
    in: { hidden: this.options.hidden },
    out: { dim: this.options.dim },
    bias: this.options.bias,
    std: this.options.output_std,
  });

  forward<S extends Shape>(x: Having<S, 'dim'>): Tensor<Product<S, 'dim', 'dim'>>;
  forward(x: Tensor): Tensor {
    return this.down.forward(this.up.forward(x).apply('gelu'));
  }
}

/** `down(silu(gate(x)) · up(x))` (Shazeer 2020), without biases. */
export class SwiGLU extends Module<Omit<MLPOptions, 'bias'>> {
  static override readonly optionNames: OptionNames<Omit<MLPOptions, 'bias'>> = {
    dim: true,
    hidden: true,
    output_std: true,
  };
  gate = new Linear({ in: { dim: this.options.dim }, out: { hidden: this.options.hidden }, bias: false });
  up = new Linear({ in: { dim: this.options.dim }, out: { hidden: this.options.hidden }, bias: false });
  down = new Linear({
    in: { hidden: this.options.hidden },
    out: { dim: this.options.dim },
    bias: false,
    std: this.options.output_std,
  });

  forward<S extends Shape>(x: Having<S, 'dim'>): Tensor<Product<S, 'dim', 'dim'>>;
  forward(x: Tensor): Tensor {
    return this.down.forward(this.gate.forward(x).apply('swiglu', [this.up.forward(x)]));
  }
}
