/** `y = x Wᵀ + b`, over dimensions that may be products of factors. */
import type { Having, Product, Shape, Unknown } from '../ir/shape.js';
import type { Tensor } from '../ir/tensor.js';
import { prime, type FactorName } from '../ir/type.js';
import { repeatedFactor, sharedWeightDiffers } from './diagnostics.js';
import { normal, zeros } from './init.js';
import { Module, Parameter, type FactorSizes, type OptionNames } from './module.js';
import { requireFactors } from './require_factors.js';

export interface LinearOptions<In extends FactorSizes = FactorSizes, Out extends FactorSizes = FactorSizes> {
  /** Factors that the product sums. */
  readonly in: In;
  /** Factors that it makes, after those that `x` keeps. Names may repeat those of `in`. */
  readonly out: Out;
  readonly bias?: boolean;
  /** Standard deviation of the first weights. */
  readonly std?: number;
  /** A weight `[out, in]` of another module, shared with it: tied embeddings. */
  readonly weight?: Parameter;
}

export class Linear<In extends FactorSizes = Unknown, Out extends FactorSizes = Unknown> extends Module<
  LinearOptions<In, Out>
> {
  static override readonly optionNames: OptionNames<LinearOptions> = {
    in: true,
    out: true,
    bias: true,
    std: true,
    weight: true,
  };
  /** `[out, in]`, as in PyTorch. An output factor whose name the input has too is primed. */
  weight: Parameter;
  bias: Parameter | null;
  /** Output factors, as the weight names them. */
  private readonly outNames: readonly FactorName[];

  constructor(options: LinearOptions<In, Out>) {
    super(options);
    const inNames = Object.keys(options.in);
    const out = Object.fromEntries(Object.entries(options.out).map(([name, size]) => [prime(name, inNames), size]));
    this.outNames = Object.keys(out);
    if (options.weight) requireShared(options.weight, { ...out, ...options.in });
    this.weight = options.weight ?? new Parameter({ dims: [out, options.in], init: normal(options.std ?? 0.02) });
    this.bias = options.bias === false ? null : new Parameter({ dims: [options.out], init: zeros });
  }

  forward<S extends Shape>(x: Having<S, keyof In & string>): Tensor<Product<S, keyof In & string, keyof Out & string>>;
  forward(x: Tensor): Tensor {
    const inNames = Object.keys(this.options.in);
    requireFactors(this, x, inNames);
    const kept = x.names.filter((name) => !inNames.includes(name));
    const repeated = Object.keys(this.options.out).find((name) => kept.includes(name));
    if (repeated) throw repeatedFactor({ factor: repeated, has: x.names, path: x.builder.path });
    const y = x
      .einsum([this.weight.tensor(x)], [...kept, ...this.outNames])
      .as([...kept, ...Object.keys(this.options.out)]);
    return this.bias ? y.add(this.bias.tensor(x)) : y;
  }
}

/** Throws `nn/shared-weight-differs`. The order of factors is free: products are by name. */
function requireShared(weight: Parameter, wanted: FactorSizes): void {
  const text = (name: string, size: number) => `${name}=${size}`;
  const has = weight.dims.flat().map(({ name, size }) => text(name, size));
  const wants = Object.entries(wanted).map(([name, size]) => text(name, size));
  if (has.toSorted().join() !== wants.toSorted().join()) throw sharedWeightDiffers({ has, wants });
}
