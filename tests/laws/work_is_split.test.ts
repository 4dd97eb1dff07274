/**
 * Work is split: random models × random plans, as far as partitioning takes them. Other cases in every run; the seed is printed.
 *
 * `npm run fuzz -- laws --runs 2000` searches longer.
 */
import { describe, expect, test } from 'vitest';
import { namesOf } from '../../src/ir/type.js';
import { GPT } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import type { PlacedGraph, PlacedOp, PlacedStep } from '../../src/partition/placed.js';
import { workByGroup } from '../../src/partition/work.js';
import { applyPrecision } from '../../src/passes/precision.js';
import { traceTraining } from '../../src/passes/trace_training.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes, type ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { pipelineOf, ranksOf, type Plan } from '../../src/plan/plan.js';
import { placeGraphs } from '../../src/partition/place_graphs.js';
import { kernelsOf } from '../../src/kernels/target.js';
import { trainingScenario, type TrainingDraw } from '../arbitraries/training.js';
import { planOf } from '../scenarios/scenario.js';
import { freshly } from './check_law.js';
import { smallest } from './fixed_cases.js';
import { laws } from './laws.js';
import { dataFactorsOf, placedStep, repeatedWork } from './work_is_split.js';

const check = freshly('work is split', 'tests/laws/work_is_split');

describe('what a plan splits is computed once, whatever the prices', () => {
  test(laws.workOfTiny.name, () => check(laws.workOfTiny, 60));
  test(laws.workOfUsual.name, () => check(laws.workOfUsual, 60));

  /**
   * The gradient of a mixture's balance loss spreads [microbatch experts] over the batch and its sequence: no operand brings a split, and
   * with fewer sequences and fewer tokens of each than there are ranks, neither factor has a part for all of them.
   */
  test.each([1, 2, 3])('two sequences of %i tokens over 2 × 2 ranks: the axes are dealt out', (sequence) => {
    const sizes = { heads: 1, headDim: 1, hidden: 1, sequence, meshes: [{ data: 2, tensor: 1, context: 2 }, one] };
    const scenario = trainingScenario({ ...mlpDraw, ...sizes, model: 'mixtral' });
    const plan = planOf(scenario);
    const graph = placedStep(plan, scenario.step);
    expect(repeatedWork(graph, plan, dataFactorsOf(scenario.step))).toEqual([]);
    const spread = graph.steps.find((step): step is PlacedOp => step.kind === 'op' && spreadsOverTokens(graph, step));
    expect(
      Object.values(spread!.assignment.splits)
        .flatMap(({ axes }) => axes)
        .sort(),
    ).toEqual(['context', 'data']);
  });

  test('a product that reads its operands whole is told', () => {
    const scenario = trainingScenario({ ...mlpDraw, meshes: [{ data: 2, tensor: 1, context: 1 }] });
    const plan = planOf(scenario);
    const graph = placedStep(plan, scenario.step);
    expect(repeatedWork(graph, plan, new Set(['batch']))).toEqual([]);
    const at = graph.steps.findIndex((step) => step.kind === 'op' && step.op === 'einsum');
    const steps = graph.steps.map((step, i): PlacedStep => {
      return i === at && step.kind === 'op' ? { ...step, assignment: { splits: {}, through: {} } } : step;
    });
    expect(repeatedWork({ ...graph, steps }, plan, new Set(['batch']))).toEqual([
      "einsum at layers.0 (forward) on group 0: 2 ranks along 'data' do the same",
    ]);
  });
});

test('groups whose data axes have names of their own: what lands is split over the axis that is there', () => {
  const model = new GPT({ layers: 2, dim: 128, heads: 2, context: 64, vocab: 500 });
  const { graph } = traceTraining(model, { microbatches: 4, batch: 1, sequence: 64 });
  const plan: Plan = {
    ...planOf({ step: graph, update: null, split: { microbatch: ['replica', 'data'] } }),
    ...pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { replica: 2 } },
      { segments: ['blocks.1', 'head'], mesh: { data: 4 } },
    ]),
  };
  const stepGraph = placedStep(plan, graph);
  expect(repeatedWork(stepGraph, plan, dataFactorsOf(graph))).toEqual([]);
  for (const { share } of workByGroup(stepGraph, ops)) expect(share).toBeCloseTo(1, 3);
});

/** A backward einsum of [microbatch experts] that gives [microbatch batch sequence experts]. */
function spreadsOverTokens(graph: PlacedGraph, { op, source, inputs, outputs }: PlacedOp): boolean {
  if (op !== 'einsum' || source.phase !== 'backward') return false;
  const [from, to] = [inputs[0], outputs[0]].map((id) => namesOf(graph.values[id].type).join(' '));
  return from === 'microbatch experts' && to === 'microbatch batch sequence experts';
}

const one = { data: 1, tensor: 1, context: 1 };

const mlpDraw: TrainingDraw = { ...smallest, whim: 0 };

describe('GPT of 8 layers, dim 1024: work of the busiest rank over its even share, by group', () => {
  const model = new GPT({ layers: 8, dim: 1024, heads: 16, context: 1024, vocab: 50257 });
  const shares = (sizes: ParallelSizes, compute: 'f32' | 'bf16'): readonly number[] => {
    const {
      data_parallel_size: data = 1,
      tensor_parallel_size: tensor = 1,
      pipeline_parallel_size: pipeline = 1,
    } = sizes;
    const batch = { sequences: 8 * data, microbatch: 1 };
    const plan = planOfSizes(sizes, data * tensor * pipeline, describeModel(model), batch, { compute, master: 'f32' });
    expect(ranksOf(plan)).toBe(data * tensor * pipeline);
    const shape = { microbatches: plan.batch.logical_microbatches, batch: plan.batch.sequences, sequence: 1024 };
    const { graph, parameters } = traceTraining(model, shape);
    const step = compute === 'bf16' ? applyPrecision(graph, ops, 'bf16') : graph;
    const request = {
      plan,
      registry: ops,
      target: 'cpu' as const,
      kernels: kernelsOf('cpu', ops),
      split: new Set<number>(),
    };
    return workByGroup(placeGraphs(request, parameters, step, null).step, ops).map(({ share }) => share);
  };

  // Norms and residual sums are repeated over tensor: half a percent.
  test.each<[ParallelSizes, number]>([
    [{ data_parallel_size: 2, pipeline_parallel_size: 2 }, 0.001],
    [{ data_parallel_size: 2, pipeline_parallel_size: 4 }, 0.001],
    [{ data_parallel_size: 8, tensor_parallel_size: 8, pipeline_parallel_size: 4 }, 0.01],
  ])('%o', (sizes, above) => {
    for (const compute of ['f32', 'bf16'] as const) {
      for (const share of shares(sizes, compute)) {
        expect(share).toBeGreaterThan(0.9999);
        expect(share).toBeLessThan(1 + above);
      }
    }
  });
});
