/**
 * Which axes an op's work is to be shared over: what a plan that splits a factor says about the ops that have it.
 *
 * All work on data is shared over the axes that split data; products are also shared over the axes of their other factors. Norms,
 * residual sums and what else has few flops an element may be repeated over these: splitting them would only add exchanges. What has a
 * factor of data and depends on none, such as tables of positions, is made whole over an axis that splits another factor first: the ops that
 * are split by that one read it whole, and a part of it costs nothing.
 */
import type { AxisName, Mesh } from '../ir/mesh.js';
import { elementsOf, factorsOf, type FactorName, type TensorType } from '../ir/type.js';
import { yieldedAxes } from '../plan/splits.js';

export interface Sharing {
  /** Factor → axes, as in the plan. */
  readonly split: Readonly<Record<FactorName, readonly AxisName[]>>;
  /** Factors of the graph's data inputs. */
  readonly dataFactors: ReadonlySet<FactorName>;
}

/** What counts of an op. */
export interface SharedWork {
  /** Of its operands and results. */
  readonly types: readonly TensorType[];
  /** On whole values. */
  readonly flops: number;
  /** Whether it depends on data. */
  readonly ofData: boolean;
}

/** The axes to share an op over. */
export function axesToShare(
  { split, dataFactors }: Sharing,
  mesh: Mesh,
  { types, flops, ofData }: SharedWork,
): readonly AxisName[] {
  const product = isProduct(types, flops);
  const factors = types.flatMap(factorsOf);
  const hasData = factors.some(({ name }) => dataFactors.has(name));
  const whole = ofData ? [] : tablesWholeOver({ split, dataFactors });
  const axes = new Set<AxisName>();
  for (const [factor, over] of Object.entries(split)) {
    // A product on data is one of them even where it has not the very factor: an expert's buffer has no batch, yet grows with it.
    const has = factors.some(({ name }) => name === factor);
    if (!dataFactors.has(factor)) {
      if (has && product) over.forEach((axis) => axes.add(axis));
    } else if (has || (product && hasData)) {
      over.filter((axis) => !whole.includes(axis)).forEach((axis) => axes.add(axis));
    }
  }
  return mesh.axes.filter(({ name, size }) => size > 1 && axes.has(name)).map(({ name }) => name);
}

/** Axes over which what depends on no data is whole: they split other factors before those of data. */
export const tablesWholeOver = ({ split, dataFactors }: Sharing): readonly AxisName[] =>
  Object.keys(split).flatMap((factor) => (dataFactors.has(factor) ? yieldedAxes(split, factor) : []));

/** True for matrix products and attention: many flops for each element that is read or written. */
export function isProduct(types: readonly TensorType[], flops: number): boolean {
  return flops >= productFlopsPerElement * types.reduce((n, type) => n + elementsOf(type), 0);
}

/** Norms and losses have about ten, a product of 64 × 64 has 42. */
const productFlopsPerElement = 24;
