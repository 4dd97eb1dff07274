/**
 * Which axes an op's work is to be shared over: what a plan that splits a factor says about the ops that have it.
 *
 * All work on data is shared over the axes that split data; products are also shared over the axes of their other factors. Norms,
 * residual sums and what else has few flops an element may be repeated over these: splitting them would only add exchanges.
 */
import type { AxisName, Mesh } from '../ir/mesh.js';
import { elementsOf, factorsOf, type FactorName, type TensorType } from '../ir/type.js';

export interface Sharing {
  /** Factor → axes, as in the plan. */
  readonly split: Readonly<Record<FactorName, readonly AxisName[]>>;
  /** Factors of the graph's data inputs. */
  readonly dataFactors: ReadonlySet<FactorName>;
}

/** The axes to share an op over: its operands' and results' `types`, and its `flops` on whole values. */
export function axesToShare(
  { split, dataFactors }: Sharing,
  mesh: Mesh,
  types: readonly TensorType[],
  flops: number,
): readonly AxisName[] {
  const product = isProduct(types, flops);
  const factors = types.flatMap(factorsOf);
  const ofData = factors.some(({ name }) => dataFactors.has(name));
  const axes = new Set<AxisName>();
  for (const [factor, over] of Object.entries(split)) {
    // A product on data is one of them even where it has not the very factor: an expert's buffer has no batch, yet grows with it.
    const has = factors.some(({ name }) => name === factor);
    const counts = dataFactors.has(factor) ? has || (product && ofData) : has && product;
    if (counts) over.forEach((axis) => axes.add(axis));
  }
  return mesh.axes.filter(({ name, size }) => size > 1 && axes.has(name)).map(({ name }) => name);
}

/**
 * The axes that share out the data of an op with these operands and results. What is stored is split over them for the sake of memory:
 * that says nothing of the op's own splits.
 */
export function axesOfData({ split, dataFactors }: Sharing, types: readonly TensorType[]): ReadonlySet<AxisName> {
  const names = new Set(types.flatMap(factorsOf).map(({ name }) => name));
  return new Set(
    Object.entries(split).flatMap(([name, axes]) => (dataFactors.has(name) && names.has(name) ? axes : [])),
  );
}

/** True for matrix products and attention: many flops for each element that is read or written. */
export function isProduct(types: readonly TensorType[], flops: number): boolean {
  return flops >= productFlopsPerElement * types.reduce((n, type) => n + elementsOf(type), 0);
}

/** Norms and losses have about ten, a product of 64 × 64 has 42. */
const productFlopsPerElement = 24;
