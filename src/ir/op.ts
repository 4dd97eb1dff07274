/**
 * The op interface. One op = one file in `ops/`: signature, meaning, backward, cost, worked example.
 *
 * There are two kinds. A **primitive** states its rule and a reference kernel. A **fused** op states a signature and a decomposition
 * into primitives, which is its meaning; its backward is a fused op of its own, declared beside it.
 *
 * Signature grammar (fused ops):
 *
 *   signature ::= operands '->' results             operands, results ::= slot (',' slot)*
 *   slot      ::= name ['?'] ':' class '[' letters ']'     class ::= float | f32 | int | bool
 *   letters   ::= (letter ['!' | '@' | '@!'])*
 *
 * A letter is local to the op and binds to a list of factors of the operands: `t` may be `batch sequence`. `!` marks what the kernel
 * needs whole; `@` what it must know the place of: it is told where its block begins in each factor; `@!` positions, of which a block
 * is to be a run: all but the first factor whole. `float` is any float type (a result's is that of the first float operand), `f32` means at least f32. A factor that a
 * result lacks is summed there.
 *
 * An operand with `?` is optional. A call says in the attribute `given` which of those it has, by name and in the signature's order, and
 * passes them so behind the others: `q.apply('attention', [k, v, sinks], { given: ['sinks'] })`. Its rule, its backward and its kernel
 * are those of the signature without the others ({@link opOf}): there is no gradient of what is not there.
 */
import type { AttributeKinds } from './attributes.js';
import { isFloat, type DType } from './dtype.js';
import type { Attributes, Node } from './graph.js';
import type { OpRule } from './rule.js';
import type { Signature } from './signature.js';
import type { Tensor } from './tensor.js';
import type { FactorName, TensorType } from './type.js';

/** What an op is bound to: operand types, and the names by which this op knows their factors. */
export interface OpCall {
  readonly operands: readonly TensorType[];
  /** operand → names of its factors in this op, by position: equal names are one factor. */
  readonly names: readonly (readonly FactorName[])[];
  readonly attributes: Attributes;
}

export interface BoundOp {
  readonly rule: OpRule;
  readonly results: readonly TensorType[];
}

/** Sizes by letter (fused ops) or by factor (primitives): products of the factors bound. */
export type Sizes = Readonly<Record<string, number>>;

/** A block of an op: the half-open range of each factor of the rule. */
export type Ranges = Readonly<Record<FactorName, readonly [from: number, to: number]>>;

/** A reference kernel's view of one launch: local blocks, row-major in the rule's factor order, as f64. */
export interface ReferenceCall {
  readonly rule: OpRule;
  readonly attributes: Attributes;
  /** Local size of each factor of the rule. */
  readonly sizes: Sizes;
  /** Global start of the local block, for the rule's `origins`. */
  readonly origins: Sizes;
  readonly inputs: readonly Float64Array[];
}

export interface OpDefinition {
  readonly name: string;
  /** Operand names, in order; one that ends in `...` repeats. */
  readonly operands: readonly string[];
  readonly results: readonly string[];
  /** Results without a cotangent: only {@link backwardOp} may read them. */
  readonly residuals?: readonly string[];
  /** The op that its backward applies, by name, where that is one of its own. */
  readonly backwardOp?: string;
  /** Attributes and their defaults. */
  readonly attributes?: Attributes;
  /** What attributes it takes, of which kinds: absent, none. */
  readonly attributeKinds?: AttributeKinds;
  /** The attribute `dtype` chooses the result's element type: its sum is rounded once. */
  readonly choosesDtype?: true;
  /** The signature of a fused op: kernels see operands by its letters. Without optional operands. */
  readonly signature?: Signature;
  /** Of an op with optional operands. What is said here beside it is said of the op without them; functions ask the attributes. */
  readonly optional?: OptionalOperands;
  /** Gives the rule and the result types; throws a diagnostic where the operands do not fit. */
  bind(call: OpCall): BoundOp;
  /** The meaning, as smaller ops. Absent for a primitive. Operands have the rule's names; results its types, names and order. */
  decompose?(operands: OperandTensors, attributes: Attributes): ResultTensors;
  /**
   * Cotangents of the operands from those of the results, as graph. `null` or absent: none flows there. Called with operand,
   * result and cotangent tensors by name (`logits`, `loss`, `dLoss`), whose factors have the rule's names; a cotangent that does not
   * exist is null; at least one exists. What it returns has the factors of the operand, in its order.
   */
  backward?(tensors: BackwardTensors, attributes: Attributes): Readonly<Record<string, Tensor | null>>;
  /** Floating-point operations, from the sizes of all factors of the rule (local or global). */
  flops(rule: OpRule, sizes: Sizes, attributes: Attributes): number;
  /** Of a block, where its place decides how much of it is computed; absent: its sizes do. Read through {@link flopsOfBlock}. */
  flopsAt?(rule: OpRule, block: Ranges, attributes: Attributes): number;
  /**
   * An op that moves no bytes: its results are views of operands, one each, given the operands' strides (elements, one a factor,
   * for local sizes in `rule` order). Null where these operands must be copied.
   */
  view?(rule: OpRule, attributes: Attributes, strides: readonly (readonly number[])[]): readonly ResultView[] | null;
  /** True where the result is the only operand, unchanged. */
  copies?(attributes: Attributes): boolean;
  /** Of one operand: where it and the result are floats, they differ by rounding alone. */
  readonly rounds?: true;
  /** Applies to each addend of a sum by itself: what it takes is partial. */
  readonly addends?: true;
  /** Of addends: their sum is then exact. */
  readonly exact?: true;
  /** Of two operands: either may stand first. */
  readonly commutes?: true;
  /** The result is the sum of its operands. */
  readonly adds?: true;
  /** Of a contraction: the op, by name, that takes one more operand and adds it to the result of two. Its one attribute is `to`. */
  readonly withAddend?: string;
  /** Reference kernel of a primitive: results, one a result name. */
  reference?(call: ReferenceCall): readonly Float64Array[];
  /** The worked example: its test and its documentation page are made from it. */
  readonly example?: OpExample;
  /** Docstring for the page in docs/: first sentence says what the op computes. */
  readonly summary?: string;
}

export interface OptionalOperands {
  /** With all of them. */
  readonly signature: Signature;
  /** The op with those that the attributes name in `given`. */
  form(attributes: Attributes): OpDefinition;
}

/** Operands, results and cotangents by name. (Typed as if cotangents were always there: an op with one result always has one.) */
export type BackwardTensors = Readonly<Record<string, Tensor>>;
/** A result as elements of an operand's buffer. */
export interface ResultView {
  readonly operand: number;
  /** From the operand's first element. */
  readonly offset: number;
  /** One a factor of the result. */
  readonly strides: readonly number[];
}

export type OperandTensors = Readonly<Record<string, Tensor>>;
export type ResultTensors = Readonly<Record<string, Tensor>>;

/** Nested arrays, row-major. */
export type Nested = number | readonly Nested[];

export interface OpExample {
  readonly given: Readonly<Record<string, Nested>>;
  readonly attributes?: Attributes;
  /** Names of factors by operand where they matter (einsum, softmax): `{ x: 'b v' }`. */
  readonly names?: Readonly<Record<string, string>>;
  readonly gives: Readonly<Record<string, Nested>>;
  readonly dtypes?: Readonly<Record<string, DType>>;
}

/** Names of `count` operands or results: one that ends in `...` stands for as many as are left, numbered from 0. */
export function slotNames(names: readonly string[], count: number): readonly string[] {
  if (!names.some((name) => name.endsWith('...'))) return names;
  return names.flatMap((name) => {
    if (!name.endsWith('...')) return [name];
    return Array.from({ length: Math.max(1, count - names.length + 1) }, (_, i) => `${name.slice(0, -3)}${i}`);
  });
}

/** `logits` → `dLogits`. */
export const cotangentName = (name: string): string => `d${name[0].toUpperCase()}${name.slice(1)}`;

/** Every op by name. */
export type OpRegistry = ReadonlyMap<string, OpDefinition>;

export function opNamed(registry: OpRegistry, name: string): OpDefinition {
  const op = registry.get(name);
  if (!op) throw new Error(`no op named '${name}'`);
  return op;
}

/** The op of a call, with the optional operands that the call has. */
export const opOf = (registry: OpRegistry, { op, attributes }: Pick<Node, 'op' | 'attributes'>): OpDefinition =>
  withGiven(opNamed(registry, op), attributes);

export const withGiven = (definition: OpDefinition, attributes: Attributes): OpDefinition =>
  definition.optional?.form(attributes) ?? definition;

export const sizesOfBlock = (block: Ranges): Sizes =>
  Object.fromEntries(Object.entries(block).map(([name, [from, to]]) => [name, to - from]));

/** Operations of an op on one of its blocks. */
export const flopsOfBlock = (definition: OpDefinition, rule: OpRule, block: Ranges, attributes: Attributes): number =>
  definition.flopsAt?.(rule, block, attributes) ?? definition.flops(rule, sizesOfBlock(block), attributes);

/** An op whole: all of each of its factors. */
export const wholeOf = ({ factors }: OpRule): Ranges =>
  Object.fromEntries(Object.entries(factors).map(([name, { size }]) => [name, [0, size]]));

/** The element type that a node casts its operand to; null for any other node. */
export function castTo(registry: OpRegistry, { op, attributes }: Pick<Node, 'op' | 'attributes'>): DType | null {
  const to = attributes.dtype as DType;
  return opNamed(registry, op).rounds === true && isFloat(to) ? to : null;
}
