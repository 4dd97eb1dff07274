/**
 * The first law: every op's rule, alone. An op is run on the ranks of a mesh under a random assignment (uneven and empty blocks,
 * several axes, partial operands) and its results, put together as the rule says, must be those of the whole op. Backward ops and the
 * primitives inside decompositions are among the ops tried.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFloat } from '../ir/dtype.js';
import type { Graph, Node } from '../ir/graph.js';
import { rangeOf, type Reduction, type Split } from '../ir/layout.js';
import {
  axesSize,
  coordinatesOf,
  mesh,
  meshRanks,
  printMesh,
  type AxisName,
  type Coordinates,
  type Mesh,
} from '../ir/mesh.js';
import { operandLayout, resultLayout, type Assignment, type OpRule } from '../ir/rule.js';
import type { FactorName } from '../ir/type.js';
import { gradients } from './autodiff.js';
import { buildCase, cases, factorNames, type FactorSizes, type OpCase } from '../ops/cases.js';
import { decompositionOf, evaluate, globalSizes, launchOf, referenceKernels } from '../ops/evaluate.js';
import { ops } from '../ops/index.js';
import { elements, nest, stridesOf } from '../ops/strides.js';

const kernels = referenceKernels();

test('every op, run in parts by its rule, equals the whole op', () => {
  const scenario = fc.constantFrom(...cases).chain((op) =>
    fc.record({
      op: fc.constant(op),
      sizes: fc.record(Object.fromEntries(factorNames(op).map((name) => [name, fc.integer({ min: 1, max: 4 })]))),
      axes: fc.array(fc.integer({ min: 2, max: 3 }), { minLength: 1, maxLength: 3 }),
      seed: fc.nat(1_000_000),
    }),
  );
  fc.assert(
    fc.property(scenario, ({ op, sizes, axes, seed }) => {
      const m = mesh(Object.fromEntries(axes.map((size, i) => [`axis${i}`, size])));
      const random = generator(seed);
      const { graph, inputs } = training(op, sizes);
      expectEveryNode(graph, inputs, m, random);
    }),
    { numRuns: 400 },
  );
});

test('a wrong rule is seen', () => {
  const { graph, inputs } = training({ op: 'softmax', operands: ['x: a v'] }, { a: 3, v: 4 });
  const { values } = evaluate(graph, inputs, kernels);
  const [node] = graph.nodes;
  const wrong = (rule: Partial<OpRule>) => ({ ...node, rule: { ...node.rule, ...rule } });
  const m = mesh({ x: 2 });
  const splitVocabulary: Assignment = { splits: { v: { axes: ['x'] } }, through: {} };
  const unmarked = wrong({ factors: { a: { size: 3 }, v: { size: 4 } } });
  expect(() => expectParts(graph, unmarked, values, m, splitVocabulary, generator(1))).toThrow(/result 0/);
  const throughAll: Assignment = { splits: {}, through: { x: 0 } };
  expect(() => expectParts(graph, wrong({ linear: [[0]] }), values, m, throughAll, generator(1))).toThrow(/result 0/);
});

/** The call and its gradients. */
function training(op: OpCase, sizes: FactorSizes): { graph: Graph; inputs: Record<string, Float64Array> } {
  const { builder, operands, results, resultNames, inputs } = buildCase(op, sizes, ops);
  const definition = ops.get(op.op)!;
  const given: Record<string, Float64Array> = { ...inputs };
  if (definition.backward) {
    const seeds = results
      .filter((result, i) => isFloat(result.dtype) && !definition.residuals?.includes(resultNames[i]))
      .map((value, i) => {
        const cotangent = builder.input(`seed${i}`, 'value', value.type).as(value.names);
        const count = value.factors.reduce((n, f) => n * f.size, 1);
        given[`seed${i}`] = Float64Array.from({ length: count }, (_, k) => Math.cos(k + i));
        return { value, cotangent };
      });
    gradients(
      builder,
      seeds,
      operands.filter((tensor) => isFloat(tensor.dtype)),
    );
  }
  return { graph: builder.build(), inputs: given };
}

function expectEveryNode(graph: Graph, inputs: Record<string, Float64Array>, m: Mesh, random: Random): void {
  const { values } = evaluate(graph, inputs, kernels);
  for (const node of graph.nodes) {
    expectParts(graph, node, values, m, anyAssignment(node.rule, m, random), random);
    const definition = ops.get(node.op)!;
    if (!definition.decompose) continue;
    const types = node.inputs.map((id) => graph.values[id].type);
    const letters = Object.entries(node.rule.letters).map(([letter, names]) => `${letter}=${names.join(' ')}`);
    const inner = decompositionOf(definition, ops, types, node.rule.operands, { ...node.attributes, letters });
    const given = Object.fromEntries(inner.inputs.map(({ name }, i) => [name, values[node.inputs[i]]]));
    expectEveryNode(inner, given, m, random);
  }
}

/** Runs the node on every rank and puts its results together. */
function expectParts(
  graph: Graph,
  node: Node,
  values: readonly Float64Array[],
  m: Mesh,
  assignment: Assignment,
  random: Random,
): void {
  const whole = launchOf(graph, node, values);
  const { rule } = node;
  const all = globalSizes(rule);
  const layouts = rule.operands.map((names, i) => operandLayout(rule, assignment, i, names));
  const parts = layouts.map((layout, i) => partialSums(whole.inputs[i], Object.keys(layout.partial), m, random));
  const ranks = Array.from({ length: meshRanks(m) }, (_, rank) => {
    const at = coordinatesOf(m, rank);
    const ranges = Object.fromEntries(
      Object.entries(all).map(([name, size]) => [name, rangeOf(m, assignment.splits[name], size, at)]),
    );
    const sizes = Object.fromEntries(Object.entries(ranges).map(([name, [from, to]]) => [name, to - from]));
    const origins = Object.fromEntries(rule.origins.map((name) => [name, ranges[name][0]]));
    const inputs = rule.operands.map((names, i) => block(parts[i](at), names, all, ranges));
    return { at, ranges, results: kernels({ ...whole, sizes, origins, inputs }) };
  });
  rule.results.forEach((names, i) => {
    const layout = resultLayout(rule, assignment, i, names);
    const used = new Set([...Object.values(layout.splits).flatMap((s) => s.axes), ...Object.keys(layout.partial)]);
    const replicas = new Map<string, Float64Array>();
    for (const { at, ranges, results } of ranks) {
      const replica = m.axes
        .filter((axis) => !used.has(axis.name))
        .map((axis) => at[axis.name])
        .join();
      const reduction = Object.values(layout.partial)[0] ?? 'sum';
      let sum = replicas.get(replica);
      if (!sum) {
        sum = new Float64Array(elements(names, all)).fill(reduction === 'max' ? -Infinity : 0);
        replicas.set(replica, sum);
      }
      addBlock(sum, results[i], names, all, ranges, reduction);
    }
    const wanted = values[node.outputs[i]];
    const scale = Math.max(1, ...Array.from(wanted, Math.abs).filter(Number.isFinite));
    for (const [replica, got] of replicas) {
      wanted.forEach((w, k) => {
        if (Object.is(w, got[k]) || Math.abs(w - got[k]) <= 1e-9 * scale) return;
        throw new Error(
          `${node.op}: result ${i} at ${k} is ${got[k]}, not ${w}, in replica '${replica}' of ${printMesh(m)} ` +
            `under ${JSON.stringify(assignment)}`,
        );
      });
    }
  });
}

type Random = (below: number) => number;

/** Every axis takes one role: none, one factor, or one linear set. */
function anyAssignment(rule: OpRule, m: Mesh, random: Random): Assignment {
  const factors = Object.keys(rule.factors).filter((name) => !rule.factors[name].whole && rule.shift?.factor !== name);
  const axes: Record<FactorName, string[]> = {};
  const through: Record<string, number> = {};
  for (const { name } of m.axes) {
    const role = random(1 + factors.length + rule.linear.length);
    if (role > factors.length) through[name] = role - factors.length - 1;
    else if (role > 0) (axes[factors[role - 1]] ??= []).push(name);
  }
  const splits = Object.fromEntries(
    Object.entries(axes).map(([factor, list]): [FactorName, Split] => {
      const order = random(2) === 0 ? list : [...list].reverse();
      if (random(2) === 0) return [factor, { axes: order }];
      const { size } = rule.factors[factor];
      const cuts = Array.from({ length: axesSize(m, order) - 1 }, () => random(size + 1)).sort((a, b) => a - b);
      return [factor, { axes: order, bounds: [0, ...cuts, size] }];
    }),
  );
  return { splits, through };
}

/** A value as a sum of parts over axes: the part that the rank at some coordinates holds. */
function partialSums(
  value: Float64Array,
  axes: readonly AxisName[],
  m: Mesh,
  random: Random,
): (at: Coordinates) => Float64Array {
  if (axes.length === 0) return () => value;
  const [axis, ...rest] = axes;
  const size = axesSize(m, [axis]);
  const parts = Array.from({ length: size - 1 }, () => value.map(() => random(2000) / 1000 - 1));
  parts.push(value.map((x, k) => parts.reduce((left, part) => left - part[k], x)));
  const inner = parts.map((part) => partialSums(part, rest, m, random));
  return (at) => inner[at[axis]](at);
}

type Ranges = Readonly<Record<FactorName, readonly [number, number]>>;

/** Visits (offset in the whole, offset in the block). */
function visitBlock(
  names: readonly FactorName[],
  all: FactorSizes,
  ranges: Ranges,
  visit: (w: number, b: number) => void,
) {
  const strides = stridesOf(names, all);
  const start = names.reduce((sum, name) => sum + ranges[name][0] * strides[name], 0);
  const local = Object.fromEntries(names.map((name) => [name, ranges[name][1] - ranges[name][0]]));
  const loops = names.map((name) => ({ size: local[name], strides: [strides[name]] }));
  let at = 0;
  nest(loops, 1, ([offset]) => visit(start + offset, at++));
}

function block(whole: Float64Array, names: readonly FactorName[], all: FactorSizes, ranges: Ranges): Float64Array {
  const local: number[] = [];
  visitBlock(names, all, ranges, (offset) => local.push(whole[offset]));
  return Float64Array.from(local);
}

function addBlock(
  whole: Float64Array,
  local: Float64Array,
  names: readonly FactorName[],
  all: FactorSizes,
  ranges: Ranges,
  reduction: Reduction,
): void {
  visitBlock(names, all, ranges, (offset, k) => {
    whole[offset] = reduction === 'max' ? Math.max(whole[offset], local[k]) : whole[offset] + local[k];
  });
}

function generator(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}
