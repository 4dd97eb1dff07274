/**
 * Every op and its backward on the addon: op × element types × order of factors in memory × write or accumulate × the whole or
 * a rank's block, native against the reference, element by element within the bound that rounding gives. Nothing that an op takes is
 * without a native kernel.
 */
import { afterAll, expect, test } from 'vitest';
import { DiagnosticError } from '../../ir/diagnostic.js';
import { isFloat, type DType } from '../../ir/dtype.js';
import { evenBounds } from '../../ir/layout.js';
import type { Graph, Node } from '../../ir/graph.js';
import { opNamed, opOf, type OpDefinition, type Sizes } from '../../ir/op.js';
import type { OpRule } from '../../ir/rule.js';
import { elementsOf, type TensorType } from '../../ir/type.js';
import { accumulatesNatively, hasNativeKernel } from '../../kernels/native.js';
import { contiguous, type Block, type KernelSite } from '../../kernels/site.js';
import { buildCase, cases, type FactorSizes, type OpCase } from '../../ops/cases.js';
import { evaluate, referenceKernels } from '../../ops/evaluate.js';
import { globalSizes, type ReferenceLaunch } from '../../ops/launch.js';
import { ops } from '../../ops/index.js';
import { roundTo } from '../../ops/round.js';
import { gradients } from '../../passes/autodiff.js';
import { loadAddon, type AddonEngine } from './bridge.js';
import { testDevice, testDeviceType } from './testing/device.js';
import { runSites, type SiteRun } from './testing/sites.js';

const arenaBytes = 1 << 26;
let engine: AddonEngine | null = null;
const theEngine = () => (engine ??= loadAddon().open({ device: testDevice, threads: 2, arenaBytes }));
afterAll(() => engine?.close());

const reference = referenceKernels();

/** Sizes apart from each other, longer and shorter than eight, and even where a kernel pairs numbers. */
const sizes: FactorSizes = { a: 3, b: 2, c: 9, d: 4, f: 2, g: 2, h: 5, k: 2, p: 2, r: 2, s: 5, t: 3, u: 2, v: 7, w: 2 };

function permutations<T>(list: readonly T[]): readonly (readonly T[])[] {
  if (list.length <= 1) return [list];
  return list.flatMap((one, i) => permutations(list.filter((_, j) => j !== i)).map((rest) => [one, ...rest]));
}

const einsumCases = (operands: readonly string[], to: readonly string[]): readonly OpCase[] =>
  permutations(to).map((order) => ({ op: 'einsum', operands, attributes: () => ({ to: order }) }));

/** Forms that no fast kernel takes, and every order of what results have. */
const forms: readonly OpCase[] = [
  ...einsumCases(['x0: a s c', 'x1: s t'], ['a', 't', 'c']),
  ...einsumCases(['x0: a b c', 'x1: c b h'], ['a', 'h']),
  ...einsumCases(['x0: a b c', 'x1: b v'], ['c', 'b']),
  ...einsumCases(['x0: a c', 'x1: b c', 'x2: a h'], ['b', 'h', 'c']),
  ...einsumCases(['x0: a c', 'x1: c', 'x2: a', 'x3: c h'], ['h']),
  ...einsumCases(['x0: a b c', 'x1: a b c'], ['b']),
  ...einsumCases(['x0: a b c', 'x1: a b c'], []),
  ...einsumCases(['x0: a b c'], ['c']),
  ...einsumCases(['x0: a b c'], ['c', 'a']),
  ...einsumCases(['x0: a b c'], ['b', 'c', 'a']),
  {
    op: 'einsum',
    operands: ['x0: a c', 'x1: c h'],
    attributes: ({ v }) => ({ to: ['h', 'v', 'a'], names: ['v'], sizes: [v] }),
  },
  ...permutations(['c', 'h']).map((to): OpCase => ({
    op: 'einsum_add',
    operands: ['x: c d', 'w: d h', 'bias: c'],
    attributes: () => ({ to }),
  })),
  { op: 'einsum_add', operands: ['x: a b d', 'w: h d', 'bias: a h'], attributes: () => ({ to: ['b', 'a', 'h'] }) },
  ...permutations(['b', 's', 'c']).map((to): OpCase => ({
    op: 'gather',
    operands: ['table: c v b', 'ids0#v: s b'],
    attributes: () => ({ by: ['v'], to }),
  })),
  {
    op: 'gather',
    operands: ['table: w c v', 'ids0#v: s k', 'ids1#w: k b'],
    attributes: () => ({ by: ['v', 'w'], to: ['s', 'b'] }),
  },
  { op: 'gather', operands: ['table: v', 'ids0#v: s'], attributes: () => ({ by: 'v', to: ['s'] }) },
  ...permutations(['v', 'b', 'c']).map((to): OpCase => ({
    op: 'scatter',
    operands: ['x: c s b', 'ids0#v: b s'],
    attributes: ({ v }) => ({ by: ['v'], to, sizes: [v] }),
  })),
  {
    op: 'scatter',
    operands: ['x: s c', 'ids0#v: s k', 'ids1#w: b k'],
    attributes: ({ v, w }) => ({ by: ['v', 'w'], to: ['c', 'w', 'v'], sizes: [v, w] }),
  },
  ...[-3, 0, 7].map((by): OpCase => ({
    op: 'roll',
    operands: ['x: a c'],
    attributes: () => ({ factor: by === 7 ? 'a' : 'c', by }),
  })),
  { op: 'max', operands: ['x: a b c'], attributes: () => ({ to: ['c', 'a'] }) },
  { op: 'max', operands: ['x: a b c'], attributes: () => ({ to: [] }) },
  { op: 'stack', operands: ['x0: a c', 'x1: a c', 'x2: a c'], attributes: () => ({ factor: 'w3', position: 2 }) },
  { op: 'softmax', operands: ['x: v a'], attributes: () => ({ letters: ['v=a'] }) },
];

/** Element types of the operands that may be any, in turn. */
const typings: readonly (readonly DType[])[] = [
  ...(['f64', 'f32', 'bf16', 'f16', 'i64', 'i32', 'bool'] as const).map((dtype) => [dtype]),
  ['f32', 'bf16'],
  ['bf16', 'f32'],
  ['f16', 'f32'],
  ['f64', 'bf16'],
  ['f32', 'f64'],
  ['i32', 'f32'],
];

type Layout = (sizes: readonly number[]) => readonly number[];

/**
 * Strides of an operand's dimensions: in order, last to first, and with gaps in yet another order. What is written has none: the
 * verifier refuses a view that is written in pieces.
 */
const layouts: readonly Layout[] = [
  (sizes) => inMemory(sizes, (n) => n, 1),
  (sizes) => inMemory(sizes, (n) => n.reverse(), 1),
  (sizes) => inMemory(sizes, (n) => [...n.slice(1), ...n.slice(0, 1)], 2),
];

function inMemory(sizes: readonly number[], order: (dims: number[]) => number[], step: number): readonly number[] {
  const strides = sizes.map(() => 0);
  let stride = step;
  for (const d of order(sizes.map((_, i) => i)).toReversed()) {
    strides[d] = stride;
    stride *= sizes[d];
  }
  return strides;
}

const ran = new Set<string>();
/** Ops that were tried on a block which begins behind the first element. */
const ranBehind = new Set<string>();

for (const typing of typings) {
  test(`of ${typing.join(' and ')}: every op in every order, written and added`, async () => {
    for (const op of [...cases, ...forms]) {
      const { graph, values } = calls(op);
      const rows = graph.nodes.flatMap((node) => rowsOf(graph, node, values, typing));
      const results = await runSites(theEngine(), arenaBytes, rows);
      rows.forEach((row, i) => results[i].forEach((got, k) => expectWithin(row, k, got)));
    }
  });
}

test('no op is left out', () => {
  const all = [...ops.keys()].filter((name) => hasNativeKernel(name, testDeviceType));
  expect(all.filter((name) => !ran.has(name))).toEqual([]);
  expect([...ops.keys()].filter((name) => !all.includes(name))).toEqual(
    ['adamw_backward'].filter((name) => ops.has(name)),
  );
  expect([...ranBehind].sort()).toEqual([
    'attention',
    'attention_backward',
    'dropout',
    'dropout_backward',
    'gather',
    'iota',
    'random_uniform',
    'scatter',
    'softmax_cross_entropy_backward',
  ]);
});

interface Row extends SiteRun {
  readonly what: string;
  readonly launch: ReferenceLaunch;
}

/** An op's call and its gradients in f64, with the numbers of every value. */
function calls(op: OpCase): { readonly graph: Graph; readonly values: readonly Float64Array[] } {
  const { builder, operands, results, resultNames, inputs } = buildCase(op, sizes, ops, 'f64');
  const definition = opNamed(ops, op.op);
  const given: Record<string, Float64Array> = { ...inputs };
  if (definition.backward) {
    const seeds = results
      .filter((result, i) => isFloat(result.dtype) && !definition.residuals?.includes(resultNames[i]))
      .map((value, i) => {
        given[`seed${i}`] = Float64Array.from({ length: elementsOf(value.type) }, (_, k) => Math.cos(k + i));
        return { value, cotangent: builder.input(`seed${i}`, 'value', value.type).as(value.names) };
      });
    gradients(
      builder,
      seeds,
      operands.filter((operand) => isFloat(operand.dtype)),
    );
  }
  const graph = builder.build();
  return { graph, values: evaluate(graph, given, reference).values };
}

/** A node in other element types, in every layout, written and, where its kernels can, added. None where the op does not take the types. */
function rowsOf(graph: Graph, node: Node, values: readonly Float64Array[], typing: readonly DType[]): readonly Row[] {
  const definition = opOf(ops, node);
  const types = node.inputs.map((id, i) => typed(definition, i, graph.values[id].type, typing));
  const attributes = {
    ...node.attributes,
    ...(Array.isArray(node.attributes.dtypes)
      ? { dtypes: node.attributes.dtypes.map((_, i) => typing[i % typing.length]) }
      : {}),
    ...(node.attributes.dtype !== undefined && node.op !== 'cast' ? { dtype: typing[0] } : {}),
  };
  const bound = bindOrNull(definition, types, node, attributes);
  if (!bound) return [];
  return blocksOf(bound.rule).flatMap(({ sizes, origins, of }) => {
    const local = (names: readonly string[], { dtype }: TensorType): TensorType => ({
      dtype,
      dims: names.map((name) => [{ name, size: sizes[name] }]),
    });
    const operands = types.map((type, i) => local(bound.rule.operands[i], type));
    const made = bound.results.map((type, i) => local(bound.rule.results[i], type));
    // Any numbers do for a block: the first of the whole's. That a row has no key is true where it was so of the whole.
    const finite = (x: number) => (of !== 'whole' && x === -Infinity ? 0 : x);
    const inputs = node.inputs.map((id, i) =>
      numbersOf(values[id].subarray(0, elementsOf(operands[i])).map(finite), types[i].dtype),
    );
    const launch: ReferenceLaunch = {
      op: node.op,
      rule: bound.rule,
      attributes,
      sizes,
      origins,
      operandTypes: types.map(({ dtype }) => dtype),
      resultTypes: bound.results.map(({ dtype }) => dtype),
      inputs,
    };
    ran.add(node.op);
    if (Object.keys(origins).length > 0) ranBehind.add(node.op);
    const outputs = made.map(contiguous);
    // Truths are not summed.
    const sums = accumulatesNatively(node.op) && bound.results[0].dtype !== 'bool';
    const accesses = sums ? [false, true] : [false];
    return layouts.flatMap((layout, l) =>
      accesses.map((adds): Row => {
        const site: KernelSite = {
          op: node.op,
          rule: bound.rule,
          attributes,
          inputs: operands.map((type) => laid(type, layout)),
          outputs,
          accumulates: outputs.map(() => adds),
          sameInputs: node.inputs.length > 0 && node.inputs.every((id) => id === node.inputs[0]),
          origins,
        };
        const before = made.map(({ dtype, dims }) =>
          numbersOf(
            Float64Array.from({ length: elementsOf({ dtype, dims }) }, (_, k) => Math.sin(k)),
            dtype,
          ),
        );
        const factors = bound.rule.operands.map((names, i) => `${types[i].dtype}[${names.join(' ')}]`).join(', ');
        const what = `${node.op} of ${factors} -> ${bound.rule.results.map((names) => `[${names.join(' ')}]`).join(', ')}, ${of}, layout ${l}${adds ? ', added' : ''}`;
        return { site, inputs, before, launch, what };
      }),
    );
  });
}

const laid = (type: TensorType, layout: Layout): Block => {
  const block = contiguous(type);
  return { ...block, strides: layout(block.sizes) };
};

/** The whole, and of rules whose kernels are told where their block begins, blocks that begin behind the first element. */
function blocksOf(rule: OpRule): readonly { readonly sizes: Sizes; readonly origins: Sizes; readonly of: string }[] {
  const whole = globalSizes(rule);
  const split = rule.origins.filter((name) => whole[name] > 1);
  const all = { sizes: whole, origins: {}, of: 'whole' };
  const second = Object.keys(rule.factors).find((name) => rule.factors[name].tied);
  const cut = second === undefined ? undefined : rule.factors[second].tied!.to;
  if (second !== undefined && rule.factors[cut!].even) {
    const sizes = { [cut!]: whole[cut!] / 2, [second]: whole[second] / 2 };
    return [all, { sizes: { ...whole, ...sizes }, origins: {}, of: 'half' }];
  }
  if (second !== undefined) {
    const { to: first, turn } = rule.factors[second].tied!;
    const { size, parts = 1 } = rule.factors[first];
    const bounds = evenBounds(size, parts);
    const pairs = Array.from({ length: parts }, (_, part) => {
      const met = (part + turn) % parts;
      const sizes = { [first]: bounds[part + 1] - bounds[part], [second]: bounds[met + 1] - bounds[met] };
      return {
        sizes: { ...whole, ...sizes },
        origins: { [first]: bounds[part], [second]: bounds[met] },
        of: `parts ${part} and ${met}`,
      };
    });
    return [all, ...pairs];
  }
  if (split.length === 0) return [all];
  const each = (value: (size: number) => number) => Object.fromEntries(split.map((name) => [name, value(whole[name])]));
  const sizes = { ...whole, ...each((size) => size - Math.min(2, size - 1)) };
  return [
    all,
    { sizes, origins: each(() => 1), of: 'the middle' },
    { sizes, origins: each((size) => Math.min(2, size - 1)), of: 'the end' },
  ];
}

/** An operand's type with the element type that falls to it; types that a signature fixes stay. */
function typed(definition: OpDefinition, i: number, type: TensorType, typing: readonly DType[]): TensorType {
  if (!isFloat(type.dtype)) return type;
  const statistic = definition.signature?.operands[i].class === 'f32';
  const dtype = statistic ? (typing.includes('f64') ? 'f64' : 'f32') : typing[i % typing.length];
  return { ...type, dtype };
}

function bindOrNull(
  definition: OpDefinition,
  operands: readonly TensorType[],
  node: Node,
  attributes: Node['attributes'],
) {
  try {
    return definition.bind({ operands, names: node.rule.operands, attributes });
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    expect(['ir/wrong-dtype', 'ir/wrong-attribute']).toContain(error.code);
    // Floats alone are taken by every op.
    expect(operands.length > 0 && operands.every(({ dtype }) => isFloat(dtype))).toBe(false);
    return null;
  }
}

/** Numbers of an element type: integers of some size where it has no fractions. */
function numbersOf(values: Float64Array, dtype: DType): Float64Array {
  if (isFloat(dtype)) return roundTo(dtype, values.slice());
  const whole = values.every(Number.isInteger) ? values : values.map((x) => Math.trunc(10 * x));
  return dtype === 'bool' ? whole.map((x) => Number(x > 0)) : whole;
}

/** Unit roundoff: the largest relative error of one rounding. */
const roundoff: Readonly<Record<DType, number>> = {
  f64: 2 ** -53,
  f32: 2 ** -24,
  bf16: 2 ** -8,
  f16: 2 ** -11,
  i64: 0,
  i32: 0,
  bool: 0,
};

/**
 * One result against the reference, u the unit roundoffs of result and of sums, n the longest sum:
 *
 *   sums and moves   |Δ| ≤ u_out |y| + (n + 4) u_sum Σ |terms|           Higham 2002, §3.1; the op on absolute values, and what it is added to
 *   functions        |Δ| ≤ u_out |y| + 8 u_sum max(|y|, 0.1)             a few roundings of a value and its argument
 *   fused ops        |Δ| ≤ u_out |y| + 16 (n + 8) u_sum max |y|          their parts one after the other, by the largest of all results:
 *                                                                        where a query sees one key, its gradient is 0, a difference of
 *                                                                        two such numbers
 *
 * Attention multiplies probabilities that are rounded to the type of its operands: u_sum is that type's there. Where a result is added to
 * what is there, the reference rounds it by itself before: u_out of it more.
 */
function expectWithin({ launch, site, before, what }: Row, k: number, got: readonly number[]): void {
  const all = reference(launch);
  const wanted = all[k];
  const dtype = launch.resultTypes[k];
  const floats = launch.operandTypes.filter(isFloat);
  // Beside other types the reference makes parts of an f64 result in f32.
  const wide = floats.every((type) => type === 'f64');
  const attends = launch.op.startsWith('attention') && floats.every((type) => type === 'bf16' || type === 'f32');
  const sum = wide ? roundoff.f64 : attends ? Math.max(...floats.map((type) => roundoff[type])) : roundoff.f32;
  const added = site.accumulates[k] ? before![k] : null;
  const terms = termsOf(launch, k, all, added, sum);
  got.forEach((value, i) => {
    const y = wanted[i] + (added?.[i] ?? 0);
    if (Object.is(value, y) || value === y) return;
    const own = roundoff[dtype] * (Math.abs(y) + (added ? Math.abs(wanted[i]) : 0)) + 2 * roundoff.f64 * Math.abs(y);
    const bound = 1.01 * own + terms(i);
    if (!(Math.abs(value - y) <= bound))
      expect.fail(`${what}: result ${k}[${i}] is ${value}, not ${y} within ${bound}`);
  });
}

const linear = new Set(
  'einsum einsum_add gather scatter cumsum add sub neg scale add_scalar stack unstack cut join roll where cast fill iota max maximum minimum relu eq ge lt topk random_uniform'.split(
    ' ',
  ),
);

function termsOf(
  launch: ReferenceLaunch,
  k: number,
  all: readonly Float64Array[],
  added: Float64Array | null,
  u: number,
): (i: number) => number {
  const { rule } = launch;
  const wanted = all[k];
  const n = pointsOf(rule.factors) / Math.max(1, product(rule.results[k], launch.sizes));
  if (linear.has(launch.op)) {
    const magnitudes = reference({
      ...launch,
      inputs: launch.inputs.map((x) => x.map(Math.abs)),
      resultTypes: launch.resultTypes.map(() => 'f64'),
      attributes: {
        ...launch.attributes,
        ...(typeof launch.attributes.value === 'number' ? { value: Math.abs(launch.attributes.value) } : {}),
      },
    })[k];
    const sums = launch.op === 'sub' ? launch.inputs : [];
    const largest = Math.max(0, ...sums.flatMap((x) => [...x].map(Math.abs)));
    return (i) =>
      (n + 4 + (launch.op === 'cumsum' ? 30 : 0)) * u * (Math.abs(magnitudes[i]) + Math.abs(added?.[i] ?? 0) + largest);
  }
  if (!opNamed(ops, launch.op).signature) return (i) => 8 * u * Math.max(Math.abs(wanted[i]), 0.1);
  const largest = Math.max(...all.flatMap((one) => Array.from(one, (x) => (Number.isFinite(x) ? Math.abs(x) : 0))));
  return () => 16 * (n + 8) * u * largest;
}

const pointsOf = (factors: ReferenceLaunch['rule']['factors']): number =>
  Object.values(factors).reduce((n, { size }) => n * size, 1);
const product = (names: readonly string[], sizes: Sizes): number => names.reduce((n, name) => n * sizes[name], 1);
