/** Binding of primitives: rules and result types from operand types and the names in use. */
import { addressedFactor, noSuchFactor, sizeMismatch, wrongDtype, wrongIds } from '../ir/diagnostics.js';
import { isFloat, type DType } from '../ir/dtype.js';
import type { Attributes } from '../ir/graph.js';
import type { OpCall } from '../ir/op.js';
import type { Reduction } from '../ir/layout.js';
import type { OpRule, RuleFactor } from '../ir/rule.js';
import { factorsOf, type Factor, type FactorName, type TensorType } from '../ir/type.js';

export interface PrimitiveRule {
  /** result → its factors. */
  readonly results: readonly (readonly FactorName[])[];
  readonly linear?: readonly (readonly number[])[];
  readonly reduction?: Reduction;
  readonly origins?: readonly FactorName[];
  readonly whole?: readonly FactorName[];
  /** Factors that no operand has. */
  readonly made?: readonly Factor[];
}

/** The rule of a primitive: factors are those of the operands and what it makes. Throws where equal names meet with unequal sizes. */
export function primitiveRule(op: string, call: OpCall, rule: PrimitiveRule): OpRule {
  const factors: Record<FactorName, RuleFactor> = {};
  const meet = (name: FactorName, size: number) => {
    const before = factors[name];
    if (before && before.size !== size) throw sizeMismatch({ op, factor: name, sizes: [before.size, size] });
    factors[name] = rule.whole?.includes(name) ? { size, whole: true } : { size };
  };
  call.operands.forEach((type, i) => factorsOf(type).forEach((f, k) => meet(call.names[i][k], f.size)));
  for (const { name, size } of rule.made ?? []) meet(name, size);
  for (const name of rule.results.flat()) {
    if (!factors[name]) throw noSuchFactor({ op, factor: name, has: Object.keys(factors), path: '' });
  }
  return {
    factors,
    operands: call.names,
    results: rule.results,
    reductions: rule.results.map(() => rule.reduction ?? 'sum'),
    linear: rule.linear ?? [],
    letters: {},
    origins: rule.origins ?? [],
  };
}

/** The type of a result with factors `names`: dimensions that an operand groups stay grouped. */
export function resultType(call: OpCall, rule: OpRule, names: readonly FactorName[], dtype: DType): TensorType {
  const groups = call.operands.flatMap((type, i) => {
    let position = 0;
    return type.dims.map((dim) => call.names[i].slice(position, (position += dim.length)));
  });
  const dims: Factor[][] = [];
  for (let at = 0; at < names.length;) {
    const group = groups.find((g) => g.length > 1 && g.every((name, k) => names[at + k] === name)) ?? [names[at]];
    dims.push(group.map((name) => ({ name, size: rule.factors[name].size })));
    at += group.length;
  }
  return { dtype, dims };
}

/** The factor of an operand that an attribute names. */
export function factorOf(op: string, call: OpCall, operand: number, name: FactorName): Factor {
  const position = call.names[operand].indexOf(name);
  if (position < 0) throw noSuchFactor({ op, factor: name, has: call.names[operand], path: '' });
  return { name, size: factorsOf(call.operands[operand])[position].size };
}

/** A list-of-names attribute: absent is empty, a single name stands for itself. */
export function nameList(attributes: Attributes, key: string): readonly FactorName[] {
  const value = attributes[key];
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : (value as readonly FactorName[]);
}

/** The factors that an op makes, from its attributes `names` and `sizes` (what `factorAttributes` writes). */
export function madeFactors(attributes: Attributes): readonly Factor[] {
  const sizes = (attributes.sizes ?? []) as readonly number[];
  return nameList(attributes, 'names').map((name, i) => ({ name, size: sizes[i] }));
}

/** Throws where `by` and the ids of a gather or scatter do not fit: the table has each factor of `by`, rows and ids have none. */
export function checkAddressed(
  op: string,
  call: OpCall,
  by: readonly FactorName[],
  rows: readonly FactorName[],
  table: readonly FactorName[],
): void {
  const ids = call.names.slice(1);
  if (by.length === 0 || by.length !== ids.length) throw wrongIds({ op, by, ids: ids.length });
  call.operands.slice(1).forEach(({ dtype }, i) => {
    if (dtype !== 'i32' && dtype !== 'i64') throw wrongDtype({ op, operand: `ids${i}`, wants: 'int', dtype });
  });
  for (const factor of by) {
    if (!table.includes(factor)) throw addressedFactor({ op, factor, operand: 'table', has: table });
    const others: readonly (readonly [string, readonly FactorName[]])[] = [
      ['rows', rows],
      ...ids.map((names, i) => [`ids${i}`, names] as const),
    ];
    for (const [operand, has] of others) if (has.includes(factor)) throw addressedFactor({ op, factor, operand, has });
  }
}

/** The element type that the attribute `dtype` asks for: another float for floats, another integer for integers. */
export function checkDtype(op: string, asked: DType | undefined, own: DType): DType {
  if (asked === undefined || asked === own) return own;
  const kind = (dtype: DType) => (isFloat(dtype) ? 'float' : dtype === 'bool' ? 'bool' : 'int');
  if (kind(asked) !== kind(own)) throw wrongDtype({ op, operand: 'dtype', wants: kind(own), dtype: asked });
  return asked;
}
