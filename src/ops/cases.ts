/**
 * Calls of every op at sizes to be drawn: what tests of laws about all ops (gradients, rules, printing) run over.
 *
 * An operand is written `x: a b` after its factors; `+` after the name asks for positive numbers, `#` for integers below the attribute
 * at hand. Letters of several factors are among them.
 */
import { GraphBuilder } from '../ir/builder.js';
import type { DType } from '../ir/dtype.js';
import type { Attributes } from '../ir/graph.js';
import { opOf, slotNames, type OpRegistry } from '../ir/op.js';
import type { Tensor } from '../ir/tensor.js';
import { elementsOf, tensorType, type FactorName } from '../ir/type.js';

export type FactorSizes = Readonly<Record<FactorName, number>>;

export interface OpCase {
  readonly op: string;
  /** `['x: b d', 'w+: d', 'ids#v: s']`: names follow the op's operands in order. */
  readonly operands: readonly string[];
  readonly attributes?: (sizes: FactorSizes) => Attributes;
  /** Factors whose size the op fixes. */
  readonly fixed?: FactorSizes;
  /** The numbers that operands hold which are not drawn. */
  readonly given?: Readonly<Record<string, number>>;
}

const elementwiseCases = (names: readonly string[], positive = ''): readonly OpCase[] =>
  names.map((op) => ({ op, operands: [`x${positive}: a b`] }));

/** The third step: both corrections are of one step, and the moments are none of zero. */
const adamwCase = (skip: number): OpCase => ({
  op: 'adamw',
  operands: [
    'parameter: a b',
    'gradient: a b',
    'average: a b',
    'square+: a b',
    'lr+:',
    'scale+:',
    'correction1:',
    'correction2:',
    'skip:',
  ],
  attributes: () => ({ beta1: 0.9, beta2: 0.99 }),
  given: { correction1: 1 - 0.9 ** 3, correction2: 1 - 0.99 ** 3, skip },
});

const binaryCases = (names: readonly string[], positive = ''): readonly OpCase[] =>
  names.flatMap((op) => [
    { op, operands: ['a: a b', `b${positive}: a b`] },
    { op, operands: ['a: b', `b${positive}: a b`] },
    { op, operands: ['a: a b', `b${positive}: c a`] },
  ]);

const headTailCase = (ranks: number, step: Attributes): OpCase => ({
  op: 'attention',
  operands: ['q: b s g r d', 'k: b s g d', 'v: b s g d'],
  attributes: () => ({ causal: true, head_tail: ranks, ...step }),
});

export const cases: readonly OpCase[] = [
  ...elementwiseCases(['neg', 'exp', 'tanh', 'sigmoid', 'erf', 'relu', 'cos', 'sin', 'gelu', 'silu']),
  ...elementwiseCases(['log', 'sqrt', 'rsqrt'], '+'),
  ...binaryCases(['add', 'sub', 'maximum', 'minimum', 'eq', 'ge', 'lt']),
  ...binaryCases(['div'], '+'),
  { op: 'scale', operands: ['x: a b'], attributes: () => ({ value: -1.5 }) },
  { op: 'add_scalar', operands: ['x: a b'], attributes: () => ({ value: 2.5 }) },
  { op: 'cast', operands: ['x: a b'], attributes: () => ({ dtype: 'f64' }) },
  { op: 'cast_addends', operands: ['x: a b'], attributes: () => ({ dtype: 'f64' }) },
  { op: 'fixed_point', operands: ['x: a b'], attributes: () => ({ grid: -44, limit: 6 }) },
  { op: 'square_bins', operands: ['x: a b'], attributes: () => ({ factor: 'bin', scale: 1, bits: 20 }) },
  { op: 'where', operands: ['condition#2: a', 'a: a b', 'b: b'] },
  { op: 'gelu', operands: ['x: a b'], attributes: () => ({ exact: true }) },

  { op: 'einsum', operands: ['x0: b d', 'x1: d h'], attributes: () => ({ to: ['b', 'h'] }) },
  { op: 'einsum', operands: ['x0: b d', 'x1: d h'], attributes: () => ({ to: ['h'] }) },
  { op: 'einsum', operands: ['x0: a b d', 'x1: a d h'], attributes: () => ({ to: ['a', 'h', 'b'] }) },
  { op: 'einsum', operands: ['x0: a b'], attributes: () => ({ to: ['b', 'a'] }) },
  { op: 'einsum', operands: ['x0: a b'], attributes: () => ({ to: [] }) },
  { op: 'einsum', operands: ['x0#9: a b'], attributes: () => ({ to: ['b'] }) },
  { op: 'einsum', operands: ['x0: a', 'x1: b', 'x2: a c'], attributes: () => ({ to: ['c', 'b'] }) },
  { op: 'einsum', operands: ['x0: a b'], attributes: ({ c }) => ({ to: ['a', 'c'], names: ['c'], sizes: [c] }) },
  { op: 'einsum_add', operands: ['x: b d', 'w: d h', 'bias: h'], attributes: () => ({ to: ['b', 'h'] }) },
  { op: 'max', operands: ['x: a b c'], attributes: () => ({ to: ['b'] }) },
  { op: 'max', operands: ['x: a b'], attributes: () => ({ to: ['b', 'a'] }) },
  { op: 'fill', operands: [], attributes: ({ a }) => ({ value: 3, dtype: 'f64', names: ['a'], sizes: [a] }) },
  { op: 'iota', operands: [], attributes: ({ a }) => ({ dtype: 'i32', names: ['a'], sizes: [a] }) },

  { op: 'gather', operands: ['table: v c', 'ids0#v: b s'], attributes: () => ({ by: ['v'], to: ['b', 's', 'c'] }) },
  {
    op: 'gather',
    operands: ['table: b v w c', 'ids0#v: b s k', 'ids1#w: b s k'],
    attributes: () => ({ by: ['v', 'w'], to: ['b', 's', 'c'] }),
  },
  { op: 'gather', operands: ['table: s v', 'ids0#v: s'], attributes: () => ({ by: ['v'], to: ['s'] }) },
  { op: 'gather', operands: ['table#9: s v', 'ids0#v: s k'], attributes: () => ({ by: ['v'], to: ['s', 'k'] }) },
  {
    op: 'scatter',
    operands: ['x: b s c', 'ids0#v: b s'],
    attributes: ({ v }) => ({ by: ['v'], to: ['v', 'c'], sizes: [v] }),
  },
  {
    op: 'scatter',
    operands: ['x: b s c', 'ids0#v: b s k', 'ids1#w: b s k'],
    attributes: ({ v, w }) => ({ by: ['v', 'w'], to: ['b', 'v', 'w', 'c'], sizes: [v, w] }),
  },
  { op: 'unstack', operands: ['x: a b c'], attributes: () => ({ factor: 'b' }) },
  { op: 'stack', operands: ['x0: a c', 'x1: a c'], attributes: () => ({ factor: 'b', position: 1 }) },
  ...[1, 2, 3].map((ranks) => ({
    op: 'reorder',
    operands: ['x: a s c'],
    attributes: () => ({ factor: 's', head_tail: ranks, back: ranks === 2 }),
  })),
  { op: 'roll', operands: ['x: a b c'], attributes: () => ({ factor: 'b', by: 2 }) },
  { op: 'cumsum', operands: ['x: a b c'], attributes: () => ({ factor: 'b' }) },
  { op: 'cumsum', operands: ['x: a b c'], attributes: () => ({ factor: ['a', 'c'], reverse: true }) },
  { op: 'cumsum', operands: ['x#9: a b c'], attributes: () => ({ factor: ['a', 'b'] }) },
  { op: 'topk', operands: ['x: a b c'], attributes: () => ({ factor: 'b', k: 1 }) },
  { op: 'topk', operands: ['x: a c'], attributes: ({ c }) => ({ factor: 'c', k: Math.min(2, c) }) },
  {
    op: 'random_uniform',
    operands: ['seed#9:', 'step#9:', 'microbatch#9:'],
    attributes: ({ a, b }) => ({ names: ['a', 'b'], sizes: [a, b], stream: 7 }),
  },

  { op: 'softmax', operands: ['x: a b v'] },
  { op: 'softmax', operands: ['x: a v w'], attributes: () => ({ letters: ['v=v w'] }) },
  { op: 'softmax_cross_entropy', operands: ['logits: a b v', 'labels#v: a b'] },
  { op: 'softmax_cross_entropy', operands: ['logits: a v w', 'labels#v: a'] },
  { op: 'layer_norm', operands: ['x: a b c', 'weight: c', 'bias: c'], attributes: () => ({ eps: 0.1 }) },
  { op: 'layer_norm', operands: ['x: a c d', 'weight: c d', 'bias: c d'], attributes: () => ({ eps: 0.1 }) },
  { op: 'rms_norm', operands: ['x: a b c', 'weight: c'], attributes: () => ({ eps: 0.1 }) },
  { op: 'rms_norm', operands: ['x: a c d', 'weight: c d'], attributes: () => ({ eps: 0.1 }) },
  { op: 'swiglu', operands: ['gate: a b', 'up: a b'] },
  {
    op: 'attention',
    operands: ['q: a b s g r d', 'k: a b t g d', 'v: a b t g d'],
    attributes: () => ({ scale: 0.7 }),
  },
  { op: 'attention', operands: ['q: b s g r d', 'k: b s g d', 'v: b s g d'], attributes: () => ({ causal: true }) },
  ...[0, 1, 2].map((turn) => ({
    op: 'attention',
    operands: ['q: b s g r d', 'k: b s g d', 'v: b s g d'],
    attributes: () => ({ causal: turn > 0, parts: turn === 1 ? 2 : 3, turn }),
  })),
  // Stored head-tail: the queries for two ranks and for three, and steps of a ring of two and of three.
  ...[2, 3].flatMap((ranks) => [
    headTailCase(ranks, {}),
    ...[0, 1, ranks - 1].map((turn) => headTailCase(ranks, { parts: ranks, turn })),
  ]),
  {
    op: 'attention',
    operands: ['q: b s g r d', 'k: b s g d', 'v: b s g d'],
    attributes: () => ({ causal: true, window: 2 }),
  },
  { op: 'attention', operands: ['q: b s g r d', 'k: b t g d', 'v: b t g d'], attributes: () => ({ window: 3 }) },
  {
    op: 'attention',
    operands: ['q: b s g r d', 'k: b s g d', 'v: b s g d', 'starts#2: b s', 'sinks: g r'],
    attributes: () => ({ causal: true, given: ['starts', 'sinks'] }),
  },
  {
    op: 'attention',
    operands: [
      'q: a s g r d',
      'k: a s g d',
      'v: a s g d',
      'starts#1: a s',
      'ends#9: a s',
      'sinks: g r',
      'slopes+: g r',
      'bias: g r h',
    ],
    attributes: () => ({ given: ['starts', 'ends', 'sinks', 'slopes', 'bias'] }),
    fixed: { h: 5 },
  },
  {
    op: 'attention',
    operands: ['q: b s u g r d', 'k: b s u g d', 'v: b s u g d'],
    attributes: () => ({ causal: true, letters: ['b=b', 's=s u'] }),
  },
  { op: 'rotary', operands: ['x: a b s h p f', 'cos: s f', 'sin: s f'], fixed: { p: 2 } },
  { op: 'rotary', operands: ['x: b s g r p f', 'cos: s f', 'sin: s f'], fixed: { p: 2 } },
  { op: 'dropout', operands: ['x: a b', 'seed#9:', 'step#9:', 'microbatch#9:'], attributes: () => ({ rate: 0.3 }) },
  {
    op: 'dropout',
    operands: ['x: a s b', 'seed#9:', 'step#9:', 'microbatch#9:'],
    attributes: () => ({ rate: 0.3, ordered: 's', head_tail: 2 }),
  },
  adamwCase(0),
  adamwCase(1),
  ...[2, 6].map((parts) => ({
    op: 'cut',
    operands: ['x: a s c'],
    attributes: () => ({ factor: 's', names: ['g', 'i'], sizes: [parts, 6 / parts] }),
    fixed: { s: 6 },
  })),
  ...[2, 6].map((parts) => ({
    op: 'join',
    operands: ['x: a g i c'],
    attributes: () => ({ factor: ['g', 'i'], names: ['s'] }),
    fixed: { g: parts, i: 6 / parts },
  })),
];

/** Every factor that the case names, in order of appearance. */
export function factorNames(op: OpCase): readonly FactorName[] {
  const named = op.operands.flatMap((operand) => operand.split(':')[1].split(' ').filter(Boolean));
  return [...new Set([...named, ...(op.operands.length === 0 ? ['a', 'b'] : []), ...extra(op)])];
}

/** Factors that only the attributes use. */
const extra = (op: OpCase): readonly FactorName[] =>
  op.op === 'random_uniform' ? ['a', 'b'] : op.op === 'scatter' ? ['v', 'w'] : op.op === 'einsum' ? ['c'] : [];

export interface BuiltCase {
  readonly builder: GraphBuilder;
  readonly operands: readonly Tensor[];
  readonly results: readonly Tensor[];
  readonly operandNames: readonly string[];
  readonly resultNames: readonly string[];
  readonly inputs: Readonly<Record<string, Float64Array>>;
}

/** The call as a graph under construction, in element type `float`, and data for its operands drawn from `seed`. */
export function buildCase(
  op: OpCase,
  sizes: FactorSizes,
  registry: OpRegistry,
  float: DType = 'f64',
  seed = 1,
): BuiltCase {
  const builder = new GraphBuilder(registry, 'case');
  const all = { ...sizes, ...op.fixed };
  const attributes = op.attributes?.(all) ?? {};
  const definition = opOf(registry, { op: op.op, attributes });
  const operandNames = slotNames(definition.operands, op.operands.length);
  const inputs: Record<string, Float64Array> = {};
  const operands = op.operands.map((text, i) => {
    const [head, names] = text.split(':');
    const factors = names.split(' ').filter(Boolean);
    const below = /#(\w+)/.exec(head)?.[1];
    const isCondition = operandNames[i] === 'condition';
    const slot = definition.signature?.operands[i];
    const wide = slot?.class === 'f32' && float !== 'f64' ? 'f32' : float;
    const dtype: DType = isCondition ? 'bool' : below ? 'i64' : wide;
    const type = tensorType(dtype, Object.fromEntries(factors.map((name) => [name, all[name]])));
    const limit = below === undefined ? 0 : (all[below] ?? Number(below));
    const given = op.given?.[operandNames[i]];
    const drawn = (k: number): number =>
      below ? draw(seed, i, k) % (isCondition ? 2 : limit + 1) : number(seed, i, k, head.includes('+'));
    inputs[operandNames[i]] = Float64Array.from({ length: elementsOf(type) }, (_, k) => given ?? drawn(k));
    return builder.input(operandNames[i], 'data', type);
  });
  const results = builder.apply(op.op, operands, attributes);
  return {
    builder,
    operands,
    results,
    operandNames,
    resultNames: slotNames(definition.results, results.length),
    inputs,
  };
}

/** Numbers in (−1, 1), or (0.2, 1.2) if positive: distinct within and across operands and never near zero, so no maximum is a tie. */
function number(seed: number, operand: number, index: number, positive: boolean): number {
  const x = (draw(seed, operand, index) + 0.37 + 0.06 * operand) / modulus;
  return positive ? 0.2 + x : 2 * x - 1;
}

/** A permutation of 0 … modulus − 1 by index. */
const draw = (seed: number, operand: number, index: number): number =>
  (index * 617 + seed * 131 + operand * 389) % modulus;

const modulus = 1009;
