/**
 * The law of work: what a plan splits is computed once. Every op that has a factor which data bring and the plan splits is split over
 * the axes of that factor; every matrix product and attention is split over the axes of all its factors. What may be repeated is listed.
 *
 * It is told from rules, assignments and types alone, and knows nothing of prices or of how a candidate came to be.
 */
import type { Graph } from '../../src/ir/graph.js';
import type { Mesh } from '../../src/ir/mesh.js';
import { factorsOf, namesOf, product, type FactorName } from '../../src/ir/type.js';
import { ops } from '../../src/ops/index.js';
import { checkPlacement } from '../../src/partition/check.js';
import { defaultCosts } from '../../src/partition/costs.js';
import { partition } from '../../src/partition/partition.js';
import { describeStep, type PlacedGraph, type PlacedOp } from '../../src/partition/placed.js';
import { stepPlacement } from '../../src/partition/placement.js';
import type { Plan } from '../../src/plan/plan.js';
import type { TrainingDraw } from '../arbitraries/training.js';

/** The factors that data bring. */
export const dataFactorsOf = (step: Graph): ReadonlySet<FactorName> =>
  new Set(step.inputs.filter(({ kind }) => kind === 'data').flatMap(({ value }) => namesOf(step.values[value].type)));

/** The step graph, placed and checked. */
export function placedStep(plan: Plan, step: Graph): PlacedGraph {
  const graph = partition(step, ops, stepPlacement(plan, step), defaultCosts()).placed;
  const [fault] = checkPlacement(graph);
  if (fault) throw fault;
  return graph;
}

/** A draw of the sizes that models have: products are worth splitting, and latencies no longer decide. */
export const enlarged = (draw: TrainingDraw): TrainingDraw => ({
  ...draw,
  headDim: 64 * draw.headDim,
  hidden: 128 * draw.hidden,
  vocab: 500 * draw.vocab,
  sequence: 64 * draw.sequence,
  batch: 2 * draw.batch,
  update: false,
});

/** What ranks may compute alike although the plan splits a factor of it, and why. */
export const legallyRepeated: readonly {
  readonly what: string;
  readonly why: string;
  is(step: PlacedOp, sizes: Readonly<Record<FactorName, number>>, ranks: number, factor: FactorName): boolean;
}[] = [
  {
    what: 'a factor with fewer elements than ranks: key/value heads that ranks share, a batch of one',
    why: 'some ranks would have no part of it whatever is chosen',
    is: (_, sizes, ranks, factor) => sizes[factor] < ranks,
  },
  {
    what: 'running sums along the batch',
    why: 'an expert counts the choices of a whole logical microbatch in order; where a plan splits that, they are counted by each rank',
    is: ({ op }) => op === 'cumsum' || op === 'cumsum_backward',
  },
];

/**
 * Work that is repeated and not listed, a line each; empty where the law holds. Of the step graph: replicas of a parameter are updated alike. A
 * factor promises nothing over an axis that the plan gives to another first: what has neither may be cheaper to repeat than to exchange.
 */
export function repeatedWork(graph: PlacedGraph, plan: Plan, dataFactors: ReadonlySet<FactorName>): readonly string[] {
  const order = Object.keys(plan.split);
  const givenFirst = (axis: string, factor: FactorName) =>
    order.slice(0, order.indexOf(factor)).some((other) => plan.split[other].includes(axis));
  return graph.steps.flatMap((step): readonly string[] => {
    if (step.kind !== 'op') return [];
    const mesh = graph.meshes[step.group];
    const sizes = sizesOf(graph, step);
    // Two sums that nobody has yet are added term by term: each rank has its own.
    const isSum = (axis: string) =>
      step.op === 'add' && step.inputs.every((id) => graph.values[id].layout.partial[axis] === 'sum');
    const used = new Set([
      ...Object.values(step.assignment.splits).flatMap(({ axes }) => axes),
      ...Object.keys(step.assignment.through).filter(isSum),
    ]);
    return Object.entries(plan.split).flatMap(([factor, axes]) => {
      if (sizes[factor] === undefined || !(dataFactors.has(factor) || isMatrixProduct(step, sizes))) return [];
      const idle = axes.filter((axis) => ranksAlong(mesh, axis) > 1 && !used.has(axis));
      return idle.flatMap((axis) => {
        const ranks = ranksAlong(mesh, axis);
        if (legallyRepeated.some((one) => one.is(step, sizes, ranks, factor))) return [];
        if (givenFirst(axis, factor)) return [];
        const { path, phase } = step.source;
        return [
          `${describeStep(step)} at ${path || 'model'} (${phase}) on group ${step.group}: ${ranks} ranks along '${axis}' do the same`,
        ];
      });
    });
  });
}

/** Sizes of the factors that an op's operands and results have, by the names of their own types. */
function sizesOf(graph: PlacedGraph, { inputs, outputs }: PlacedOp): Readonly<Record<FactorName, number>> {
  const factors = [...inputs, ...outputs].flatMap((id) => factorsOf(graph.values[id].type));
  return Object.fromEntries(factors.map(({ name, size }) => [name, size]));
}

/**
 * Attention, and products of two matrices with at least 64 rows, columns and terms: a router's few columns are no matrix, nor is what
 * sums a gradient over tokens.
 */
function isMatrixProduct({ op, rule }: PlacedOp, sizes: Readonly<Record<FactorName, number>>): boolean {
  if (op === 'attention' || op === 'attention_backward') return sizes.sequence >= 64;
  if (op !== 'einsum' || rule.operands.length !== 2) return false;
  const [[left, right], [result]] = [rule.operands, rule.results];
  const extent = (names: readonly FactorName[]) => product(names.map((name) => rule.factors[name].size));
  const only = (names: readonly FactorName[], other: readonly FactorName[]) =>
    extent(names.filter((name) => !other.includes(name) && result.includes(name)));
  const terms = extent(left.filter((name) => right.includes(name) && !result.includes(name)));
  return Math.min(only(left, right), only(right, left), terms) >= 64;
}

const ranksAlong = (mesh: Mesh, axis: string): number => mesh.axes.find(({ name }) => name === axis)?.size ?? 1;
