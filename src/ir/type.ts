/**
 * Tensor types.
 *
 *   type    ::= dtype '[' dim (',' dim)* ']'
 *   dim     ::= factor | '(' factor factor+ ')'
 *   factor  ::= name '=' size                      name: letters, digits, '_', and trailing primes
 *
 *   bf16[batch=8, sequence=256, (qkv=3 heads=6 head_dim=64)]
 *
 * Factors are the structure: any factor may be split over devices. Dimensions only group and print them (half of `heads` is half of
 * q, half of k and half of v). Names are unique within a type; a second `sequence` is written `sequence'`.
 */
import { dtypeBytes, dtypes, type DType } from './dtype.js';

export type FactorName = string;

/** A named factor of a dimension; `size` in elements, of the whole (global) value or of a rank's block. */
export interface Factor {
  readonly name: FactorName;
  readonly size: number;
}

export interface TensorType {
  readonly dtype: DType;
  /** Dimensions, each a product of factors, major first. */
  readonly dims: readonly (readonly Factor[])[];
}

/** A type whose dimensions are single factors: `tensorType('f32', { batch: 8, dim: 64 })`. */
export function tensorType(dtype: DType, dims: Readonly<Record<FactorName, number>>): TensorType {
  return { dtype, dims: Object.entries(dims).map(([name, size]) => [{ name, size }]) };
}

export function factorsOf(type: TensorType): readonly Factor[] {
  const factors: Factor[] = [];
  for (const dim of type.dims) for (const factor of dim) factors.push(factor);
  return factors;
}
export function namesOf(type: TensorType): readonly FactorName[] {
  const names: FactorName[] = [];
  for (const dim of type.dims) for (const { name } of dim) names.push(name);
  return names;
}
export function sizesOf(type: TensorType): readonly number[] {
  const sizes: number[] = [];
  for (const dim of type.dims) for (const { size } of dim) sizes.push(size);
  return sizes;
}
/** The shape as other frameworks see it: one size a dimension. */
export const shapeOf = (type: TensorType): readonly number[] => type.dims.map((dim) => product(dim.map((f) => f.size)));

export function elementsOf(type: TensorType): number {
  let elements = 1;
  for (const dim of type.dims) for (const { size } of dim) elements *= size;
  return elements;
}

export const bytesOf = (type: TensorType): number => elementsOf(type) * dtypeBytes[type.dtype];

/** The same dimensions with other sizes, by factor: how a rank's block is derived from the whole. */
export function resize(type: TensorType, size: (factor: Factor) => number): TensorType {
  return { dtype: type.dtype, dims: type.dims.map((dim) => dim.map((f) => ({ name: f.name, size: size(f) }))) };
}

/** True where two types have the same factors in the same order, however dimensions group them: the same elements in memory. */
export function sameFactors(a: TensorType, b: TensorType): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype) return false;
  const [mine, theirs] = [factorsOf(a), factorsOf(b)];
  return (
    mine.length === theirs.length &&
    mine.every(({ name, size }, i) => name === theirs[i].name && size === theirs[i].size)
  );
}

/** A type without its dimensions: `bf16[batch=8 qkv=3 heads=6]`. */
export const printFactors = (type: TensorType): string =>
  `${type.dtype}[${factorsOf(type)
    .map((f) => `${f.name}=${f.size}`)
    .join(' ')}]`;

/** Equal types print equally: the text is the key. */
export function printType(type: TensorType): string {
  return `${type.dtype}[${type.dims.map(printDim).join(', ')}]`;
}

/** Reads what {@link printType} writes. Throws a plain Error that names the column: it reads our own files. */
export function parseType(text: string): TensorType {
  const match = /^(\w+)\[(.*)\]$/s.exec(text.trim());
  if (!match || !dtypes.includes(match[1] as DType)) throw new Error(`not a tensor type: '${text}'`);
  const body = match[2].trim();
  const dims = body === '' ? [] : body.split(',').map((dim) => parseDim(dim.trim()));
  return { dtype: match[1] as DType, dims };
}

export const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** `name` made unlike every name in `taken` by primes. */
export function prime(name: FactorName, taken: ReadonlySet<FactorName> | readonly FactorName[]): FactorName {
  const has = (n: FactorName) => (Array.isArray(taken) ? taken.includes(n) : (taken as ReadonlySet<FactorName>).has(n));
  let primed = name;
  while (has(primed)) primed += "'";
  return primed;
}

/** The name that a primed one is made of. */
export const withoutPrimes = (name: FactorName): FactorName => name.replace(/'+$/, '');

function printDim(dim: readonly Factor[]): string {
  const text = dim.map((f) => `${f.name}=${f.size}`).join(' ');
  return dim.length === 1 ? text : `(${text})`;
}

function parseDim(text: string): Factor[] {
  const inner = text.startsWith('(') ? text.slice(1, -1) : text;
  return inner
    .split(/\s+/)
    .filter(Boolean)
    .map((factor) => {
      const match = /^([\w.]+'*)=(\d+)$/.exec(factor);
      if (!match) throw new Error(`not a factor: '${factor}' in '${text}'`);
      return { name: match[1], size: Number(match[2]) };
    });
}
