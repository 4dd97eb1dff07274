/**
 * Every op's rule alone: op, backward or part of a decomposition; sizes, mesh and assignment drawn. A rule is all that the partitioner
 * and its checker know of an op, so a rule that lies is a wrong gradient, silently.
 *
 * RUNS=100000 npx vitest run tests/laws/rules_alone searches longer.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/builder.js';
import { isFloat } from '../../src/ir/dtype.js';
import type { Graph } from '../../src/ir/graph.js';
import type { Mesh } from '../../src/ir/mesh.js';
import { opOf } from '../../src/ir/op.js';
import type { OpRule } from '../../src/ir/rule.js';
import { elementsOf } from '../../src/ir/type.js';
import { buildCase, cases, factorNames, type OpCase } from '../../src/ops/cases.js';
import { evaluate, referenceKernels } from '../../src/ops/evaluate.js';
import { ops } from '../../src/ops/index.js';
import { gradients } from '../../src/passes/autodiff.js';
import { anyAssignmentDraw, fitAssignment, type AssignmentDraw } from '../arbitraries/assignments.js';
import { anyMesh } from '../arbitraries/layouts.js';
import { uniform } from '../scenarios/scenario.js';
import { ruleFault } from './rule_law.js';

/** What a property draws; data follow from element indices. */
interface Draw {
  readonly op: OpCase;
  /** One a factor, in the order of the case. */
  readonly sizes: readonly number[];
  /** Which node of the graph of forward, backward and their decompositions. */
  readonly node: number;
  readonly mesh: Mesh;
  readonly assignment: AssignmentDraw;
}

const kernels = referenceKernels();
const runs = Number(process.env.RUNS ?? 2500);

const anyDraw = (of: readonly OpCase[] = cases): fc.Arbitrary<Draw> =>
  fc.record({
    op: fc.constantFrom(...of),
    sizes: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 8, maxLength: 8 }),
    node: fc.nat(59),
    mesh: anyMesh({ maxSize: 3 }),
    assignment: anyAssignmentDraw(),
  });

type Plant = (op: string, rule: OpRule) => OpRule;

/** The fault of a draw, or null. `seen` counts what was tried. */
function faultOf(draw: Draw, plant?: Plant, seen?: (op: string, partial: boolean) => void): string | null {
  const graph = graphOf(draw.op, draw.sizes);
  const { values } = evaluate(graph, inputsOf(graph, draw.op, draw.sizes), kernels);
  const planted = plant && graph.nodes.filter((node) => plant(node.op, node.rule) !== node.rule);
  // Decompositions have most of the nodes: every other draw is the call itself.
  const candidates = planted ?? (draw.node % 2 === 0 ? graph.nodes.slice(0, 1) : graph.nodes);
  if (candidates.length === 0) return null;
  const node = candidates[Math.floor(draw.node / 2) % candidates.length];
  const rule = plant?.(node.op, node.rule) ?? node.rule;
  const operands = node.inputs.map((id) => graph.values[id].type);
  const results = node.outputs.map((id) => graph.values[id].type);
  const assignment = fitAssignment(draw.mesh, { rule, operands, results }, draw.assignment);
  seen?.(node.op, Object.keys(assignment.through).length > 0);
  return ruleFault({ graph, node, values, mesh: draw.mesh, assignment, rule }, kernels);
}

const sizesOfDraw = (op: OpCase, sizes: readonly number[]) => {
  const names = factorNames(op);
  // Attention binds seven factors: smaller ones keep it quick.
  const largest = names.length > 5 ? 3 : 5;
  return Object.fromEntries(names.map((name, i) => [name, Math.min(largest, sizes[i % sizes.length])]));
};

/** Forward, backward and then the decomposition of each of them that is fused, as one graph. */
function graphOf(op: OpCase, sizes: readonly number[]): Graph {
  const { builder, operands, results, resultNames } = buildCase(op, sizesOfDraw(op, sizes), ops);
  const definition = ops.get(op.op)!;
  const seeds = results.flatMap((value, i) => {
    if (!definition.backward || !isFloat(value.dtype) || definition.residuals?.includes(resultNames[i])) return [];
    return [{ value, cotangent: builder.input(`cotangent${i}`, 'data', value.type).as(value.names) }];
  });
  if (seeds.length > 0)
    gradients(
      builder,
      seeds,
      operands.filter((operand) => isFloat(operand.dtype)),
    );
  const graph = builder.build();
  const longer = GraphBuilder.resume(ops, graph);
  for (const node of graph.nodes) {
    const { decompose, operands: names } = opOf(ops, node);
    const tensors = node.inputs.map((id, i) => longer.tensor(id).as(node.rule.operands[i]));
    decompose?.(Object.fromEntries(names.map((name, i) => [name, tensors[i]])), node.attributes);
  }
  return longer.build();
}

function inputsOf(graph: Graph, op: OpCase, sizes: readonly number[]): Record<string, Float64Array> {
  const { inputs } = buildCase(op, sizesOfDraw(op, sizes), ops);
  const cotangent = (name: string, elements: number) =>
    Float64Array.from({ length: elements }, (_, k) => 2 * uniform(`${name} ${k}`) - 1);
  return Object.fromEntries(
    graph.inputs.map(({ name, value }) => [
      name,
      inputs[name] ?? cotangent(name, elementsOf(graph.values[value].type)),
    ]),
  );
}

const law = (of?: readonly OpCase[], plant?: Plant, seen?: Parameters<typeof faultOf>[2]) =>
  fc.property(anyDraw(of), (draw) => {
    const fault = faultOf(draw, plant, seen);
    if (fault) throw new Error(fault);
  });

describe('rules alone', () => {
  test("an op on every rank's blocks, put together, is the op run whole", () => {
    const tried = new Map<string, { runs: number; partial: number }>();
    const seen = (op: string, partial: boolean) => {
      const count = tried.get(op) ?? { runs: 0, partial: 0 };
      tried.set(op, { runs: count.runs + 1, partial: count.partial + (partial ? 1 : 0) });
    };
    const each = Math.ceil(runs / cases.length);
    // Each draws its own: what one seed leaves out of all, several do not.
    for (const [i, op] of cases.entries())
      fc.assert(law([op], undefined, seen), { numRuns: each, seed: process.env.RUNS ? undefined : 11 + i });
    expect([...ops.keys()].filter((op) => !tried.has(op))).toEqual([]);
    const linear = ['add', 'einsum', 'where', 'gather', 'scatter', 'stack', 'unstack', 'rotary', 'layer_norm_backward'];
    for (const op of linear) expect(tried.get(op)!.partial, `${op} with partial operands`).toBeGreaterThan(0);
  });

  const changed =
    (name: string, change: (rule: OpRule) => Partial<OpRule>): Plant =>
    (op, rule) =>
      op === name ? { ...rule, ...change(rule) } : rule;
  const nothingWhole = ({ factors }: OpRule) => ({
    factors: Object.fromEntries(Object.entries(factors).map(([name, { size }]) => [name, { size }])),
  });

  const unevenCut = ({ factors }: OpRule) => ({
    factors: Object.fromEntries(Object.entries(factors).map(([name, { even: _, ...factor }]) => [name, factor])),
  });

  test.each<[string, string, Plant]>([
    ['a sum through each operand of an addition', 'add', changed('add', () => ({ linear: [[0], [1]] }))],
    [
      'a product linear in both operands jointly',
      'einsum',
      changed('einsum', (r) => ({ linear: [r.operands.map((_, i) => i)] })),
    ],
    ['a linear exponential', 'exp', changed('exp', () => ({ linear: [[0]] }))],
    ['a quotient linear in its divisor', 'div', changed('div', () => ({ linear: [[1]] }))],
    ['a norm linear in its input', 'layer_norm', changed('layer_norm', () => ({ linear: [[0]] }))],
    [
      'a backward linear in its residual',
      'layer_norm',
      changed('layer_norm_backward', (r) => ({ linear: [[...r.linear[0], 3]] })),
    ],
    ['an update linear in the gradient', 'adamw', changed('adamw', () => ({ linear: [[1]] }))],
    [
      'a maximum reduced by sum',
      'max',
      changed('max', (r) => ({ reductions: r.reductions.map(() => 'sum' as const) })),
    ],
    [
      'a contraction reduced by max',
      'einsum',
      changed('einsum', (r) => ({ reductions: r.reductions.map(() => 'max' as const) })),
    ],
    ['a gather without origin', 'gather', changed('gather', () => ({ origins: [] }))],
    ['a scatter without origin', 'scatter', changed('scatter', () => ({ origins: [] }))],
    ['random numbers without origin', 'random_uniform', changed('random_uniform', () => ({ origins: [] }))],
    ['dropout whose block does not know where it starts', 'dropout', changed('dropout', () => ({ origins: [] }))],
    ['queries that do not know where they start', 'attention', changed('attention_backward', () => ({ origins: [] }))],
    ['a running sum over split blocks', 'cumsum', changed('cumsum', nothingWhole)],
    ['a softmax over split classes', 'softmax', changed('softmax', nothingWhole)],
    ['attention over split keys', 'attention', changed('attention', nothingWhole)],
    [
      'labels against a split vocabulary',
      'softmax_cross_entropy',
      changed('softmax_cross_entropy_backward', nothingWhole),
    ],
    [
      'labels counted from where a block of the vocabulary begins',
      'softmax_cross_entropy',
      changed('softmax_cross_entropy_backward', () => ({ origins: [] })),
    ],
    ['a rotation over split blocks', 'roll', changed('roll', nothingWhole)],
    ['a cut of which ranks have parts that are not equal', 'cut', changed('cut', unevenCut)],
  ])('finds a planted lie: %s', (_, op, plant) => {
    const details = fc.check(
      law(
        cases.filter((c) => c.op === op),
        plant,
      ),
      { numRuns: 600, seed: 5 },
    );
    expect(details.failed).toBe(true);
  });
});
