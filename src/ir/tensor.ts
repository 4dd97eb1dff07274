/**
 * Tensors as model code and decompositions write them: symbols over a graph under construction.
 *
 * A tensor is a value and the names by which the code at hand knows its factors. Names may be letters of an op's signature, which a
 * scope maps to lists of factors. Arithmetic broadcasts by name. Nothing is computed, consumed or disposed.
 */
import type { GraphBuilder } from './builder.js';
import type { DType } from './dtype.js';
import type { Attributes, ValueId } from './graph.js';
import { maskNotNumber, noSuchFactor } from './diagnostics.js';
import type {
  Among,
  AmongAll,
  Elementwise,
  Listed,
  Names,
  Renamed,
  Shape,
  Union,
  Union3,
  Unknown,
  Without,
} from './shape.js';
import { factorsOf, type Factor, type FactorName, type TensorType } from './type.js';

/** Letters of a signature → factors. */
export type LetterScope = ReadonlyMap<string, readonly Factor[]>;

/**
 * A symbolic tensor. `S` names its factors, for readers and the type checker: `Tensor<['batch', 'sequence', 'dim']>`. What such a tensor
 * lacks cannot be named; where the checker does not know the names (see `shape.ts`), and of sizes, tracing judges alone.
 */
export class Tensor<out S extends Shape = Unknown> {
  /** For the type checker alone. */
  declare readonly shape?: S;
  readonly builder: GraphBuilder;
  readonly id: ValueId;
  /** The names this code uses for the value's factors, by position. */
  readonly names: readonly FactorName[];
  readonly scope: LetterScope;

  constructor(builder: GraphBuilder, id: ValueId, names: readonly FactorName[], scope: LetterScope = noScope) {
    this.builder = builder;
    this.id = id;
    this.names = names;
    this.scope = scope;
  }

  /** Its element type and dimensions. */
  get type(): TensorType {
    return this.builder.typeOf(this.id);
  }

  /** Its element type. */
  get dtype(): DType {
    return this.type.dtype;
  }

  /** The factors with the names in use here. */
  get factors(): readonly Factor[] {
    return factorsOf(this.type).map((f, i) => ({ name: this.names[i], size: f.size }));
  }

  /** Global size of a factor (or of a letter: the product of its factors). */
  size<T extends Shape, const N extends string>(this: Tensor<T>, name: Among<T, N>): number {
    return this.expand(name).reduce((n, factor) => n * this.factor(factor).size, 1);
  }

  /** The same value under other names, by position: free, and no node. */
  as<const N extends Names>(names: N): Tensor<Listed<N>> {
    return new Tensor(this.builder, this.id, this.expand(names), this.scope);
  }

  /** Renames some factors, `{ sequence: 'key' }`: free, and no node. */
  rename<T extends Shape, const M extends Readonly<Record<FactorName, FactorName>>>(
    this: Tensor<T>,
    map: Among<T, M>,
  ): Tensor<Renamed<T, M>> {
    const renamed = map as Readonly<Record<FactorName, FactorName>>;
    for (const name of Object.keys(renamed)) {
      if (!this.names.includes(name))
        throw noSuchFactor({ op: 'rename', factor: name, has: this.names, path: this.builder.path });
    }
    const names = this.names.map((name) => renamed[name] ?? name);
    return new Tensor(this.builder, this.id, names, this.scope);
  }

  /** Sum by name. */
  add<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    this.requireNumbers('add', other);
    return typeof other === 'number' ? this.unary('add_scalar', { value: other }) : this.binary('add', other);
  }

  /** Difference by name. */
  sub<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    this.requireNumbers('sub', other);
    return typeof other === 'number' ? this.unary('add_scalar', { value: -other }) : this.binary('sub', other);
  }

  /** Product by name: an einsum that sums nothing. */
  mul<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    this.requireNumbers('mul', other);
    if (typeof other === 'number') return this.unary('scale', { value: other });
    return this.einsum([other], unionNames(this, other));
  }

  /** Quotient by name, of floating-point numbers. */
  div<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    this.requireNumbers('div', other);
    return typeof other === 'number' ? this.unary('scale', { value: 1 / other }) : this.binary('div', other);
  }

  /** −x. */
  neg(): Tensor<S> {
    return this.unary('neg');
  }
  /** e to the power of x. */
  exp(): Tensor<S> {
    return this.unary('exp');
  }
  /** Natural logarithm. */
  log(): Tensor<S> {
    return this.unary('log');
  }
  /** Square root. */
  sqrt(): Tensor<S> {
    return this.unary('sqrt');
  }
  /** One over the square root. */
  rsqrt(): Tensor<S> {
    return this.unary('rsqrt');
  }
  /** Hyperbolic tangent. */
  tanh(): Tensor<S> {
    return this.unary('tanh');
  }
  /** 1 / (1 + e^−x). */
  sigmoid(): Tensor<S> {
    return this.unary('sigmoid');
  }
  /** The error function. */
  erf(): Tensor<S> {
    return this.unary('erf');
  }
  /** The larger of x and 0. */
  relu(): Tensor<S> {
    return this.unary('relu');
  }
  /** x · x. */
  square(): Tensor<S> {
    this.requireNumbers('square');
    return this.mul(this);
  }

  /** Elementwise maximum of two. */
  maximum<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    return this.binary('maximum', other);
  }
  /** Elementwise minimum of two. */
  minimum<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    return this.binary('minimum', other);
  }

  /** Where the two are equal: bool, as of `ge` and `lt`. */
  eq<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    return this.binary('eq', other);
  }
  /** Where this is greater or equal. */
  ge<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    return this.binary('ge', other);
  }
  /** Where this is less. */
  lt<T extends Shape, O extends Tensor | number>(this: Tensor<T>, other: O): Tensor<Elementwise<T, O>> {
    return this.binary('lt', other);
  }

  /** `this ? a : b`, where this is boolean. */
  where<T extends Shape, A extends Shape, B extends Shape>(
    this: Tensor<T>,
    a: Tensor<A>,
    b: Tensor<B>,
  ): Tensor<Union3<T, A, B>> {
    return this.builder.apply('where', [this, a, b])[0];
  }

  /** The same numbers in another type; f32 means at least f32 in a graph of f64. */
  cast(dtype: DType): Tensor<S> {
    return dtype === 'f32' && this.dtype === 'f64' && this.builder.wide ? this : this.exactly(dtype);
  }

  /** The same numbers in this very type: what belongs to a value whose type is settled. */
  exactly(dtype: DType): Tensor<S> {
    return this.dtype === dtype ? this : this.unary('cast', { dtype });
  }

  /**
   * Contraction with other tensors by name: factors of equal name are one, and those missing in `to` are summed. Also transposes,
   * outer products, broadcasts against names that another operand has, and sums.
   */
  einsum<T extends Shape, const O extends readonly Tensor[], const N extends Names>(
    this: Tensor<T>,
    others: O,
    to: AmongAll<T, O, N>,
  ): Tensor<Listed<N>> {
    return this.builder.apply('einsum', [this, ...others], { to: this.expand(to) })[0];
  }

  /** The same elements with factors in another order. */
  transpose<T extends Shape, const N extends Names>(this: Tensor<T>, to: Among<T, N>): Tensor<Listed<N>> {
    const names = this.expand(to);
    return names.join() === this.names.join() ? this.as(names) : this.einsum([], names);
  }

  /** Sum over factors, which the result lacks. */
  sum<T extends Shape, const N extends Names>(this: Tensor<T>, over: Among<T, N>): Tensor<Without<T, N>> {
    this.requireNumbers('sum');
    return this.einsum([], this.without(over, 'sum'));
  }

  /** Mean over factors, which the result lacks. */
  mean<T extends Shape, const N extends Names>(this: Tensor<T>, over: Among<T, N>): Tensor<Without<T, N>> {
    this.requireNumbers('mean');
    const count = this.expand(over).reduce((n, name) => n * this.factor(name).size, 1);
    return this.sum(over).mul(1 / count);
  }

  /** Maximum over factors, which the result lacks. */
  max<T extends Shape, const N extends Names>(this: Tensor<T>, over: Among<T, N>): Tensor<Without<T, N>> {
    return this.builder.apply('max', [this], { to: this.without(over, 'max') })[0];
  }

  /** For integers `t` and a factor (or letter) `v`: f32 [t v], one where the index along v equals the integer, else zero. */
  oneHot<T extends Shape, const N extends string>(
    this: Tensor<T>,
    over: N,
    size?: number,
  ): Tensor<Union<T, Listed<N>>> {
    const factors = this.scope.get(over) ?? (size === undefined ? null : [{ name: over, size }]);
    if (!factors) throw noSuchFactor({ op: 'one_hot', factor: over, has: this.names, path: this.builder.path });
    return this.eq(this.builder.index(factors, this.dtype, this.scope)).cast('f32');
  }

  /** The slices along a factor, one for each index. */
  unstack<T extends Shape, const N extends string>(
    this: Tensor<T>,
    over: Among<T, N>,
  ): readonly Tensor<Without<T, N>>[] {
    const [factor, ...more] = this.expand(over);
    if (more.length > 0) throw noSuchFactor({ op: 'unstack', factor: over, has: this.names, path: this.builder.path });
    return this.builder.apply('unstack', [this], { factor });
  }

  /** This and other tensors of equal factors along a new factor, `over`; `to` is the order of all. */
  stack<const N extends Names>(others: readonly Tensor[], over: string, to: N): Tensor<Listed<N>> {
    const [factor] = this.expand(over);
    const names = this.expand(to);
    const position = names.indexOf(factor);
    const rest = names.filter((name) => name !== factor);
    const aligned = [this, ...others].map((t) => t.transpose(rest));
    return this.builder.apply('stack', aligned, { factor, position })[0];
  }

  /** A tensor of one number, of this tensor's element type and without factors: broadcasts against anything. */
  constant(value: number, dtype: DType = this.dtype): Tensor<[]> {
    return this.builder.fill(value, dtype, [], this.scope);
  }

  /** Applies an op by name; gives its first result. */
  apply<const Op extends string>(
    op: Op,
    others: readonly Tensor[] = [],
    attributes: Attributes = {},
  ): Tensor<Op extends KeepingOp ? S : Unknown> {
    return this.builder.apply(op, [this, ...others], attributes)[0];
  }

  /** Names as factors: in a string, letters of the scope are expanded; a list holds factors already. */
  expand(names: Names): readonly FactorName[] {
    if (typeof names !== 'string') return names;
    const list = names.split(/\s+/).filter(Boolean);
    return list.flatMap((name) => this.scope.get(name)?.map((f) => f.name) ?? [name]);
  }

  /** Throws `ir/mask-not-number`, in the words of the method: the op that does it may have another name. */
  private requireNumbers(method: string, other?: Tensor | number): void {
    if (this.dtype !== 'bool' || (other instanceof Tensor && other.dtype !== 'bool')) return;
    const kind = other === undefined ? null : typeof other === 'number' ? 'number' : 'tensor';
    throw maskNotNumber({ method, other: kind, path: this.builder.path });
  }

  private without(over: Names, op: string): readonly FactorName[] {
    const gone = this.expand(over);
    for (const name of gone) {
      if (!this.names.includes(name))
        throw noSuchFactor({ op, factor: name, has: this.names, path: this.builder.path });
    }
    return this.names.filter((name) => !gone.includes(name));
  }

  private factor(name: FactorName): Factor {
    const found = this.factors.find((f) => f.name === name);
    if (!found) throw noSuchFactor({ op: 'size', factor: name, has: this.names, path: this.builder.path });
    return found;
  }

  private unary(op: string, attributes: Attributes = {}): Tensor {
    return this.builder.apply(op, [this], attributes)[0];
  }

  private binary(op: string, other: Tensor | number): Tensor {
    return this.builder.apply(op, [this, typeof other === 'number' ? this.constant(other) : other])[0];
  }
}

/** The names of an elementwise result: those of the operand with the most factors, then what the others add. */
export function unionNames(...tensors: readonly { readonly names: readonly FactorName[] }[]): readonly FactorName[] {
  const widest = tensors.reduce((a, b) => (b.names.length > a.names.length ? b : a));
  const names = [...widest.names];
  for (const tensor of tensors) for (const name of tensor.names) if (!names.includes(name)) names.push(name);
  return names;
}

/** Ops whose result has the factors of their first operand, in its order: what the type checker knows of ops by name. */
export const keepingOps = ['cos', 'dropout', 'gelu', 'silu', 'sin', 'swiglu'] as const;

type KeepingOp = (typeof keepingOps)[number];

const noScope: LetterScope = new Map();
