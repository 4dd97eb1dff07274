/** What a layer takes of its input. Without it a product by name would be an outer one, and be refused far away or nowhere. */
import type { Tensor } from '../ir/tensor.js';
import type { FactorName } from '../ir/type.js';
import { missingFactor } from './diagnostics.js';
import type { Module } from './module.js';

/** Throws `nn/missing-factor` for the first factor that `x` lacks. */
export function requireFactors(layer: Module<unknown>, x: Tensor, factors: readonly FactorName[]): void {
  const factor = factors.find((name) => !x.names.includes(name));
  if (factor === undefined) return;
  throw missingFactor({ layer: layer.constructor.name, factor, has: x.names, path: x.builder.path });
}
