/** What mutated programs are built of: small steps through the real passes, in f64, with random data so that wrong wiring shows. */
import { contextMethods } from '../../src/plan/context_methods.js';
import { pipelineOf, type PlanGroup } from '../../src/plan/plan.js';
import { mlp } from '../../tests/scenarios/mlp.js';
import { pipelineUnder } from '../../tests/scenarios/pipelines.js';
import type { ScenarioOptions } from '../../tests/scenarios/scenario.js';
import { deepGpt, gpt, inBf16, mixtral } from './models.js';

export interface Recipe {
  readonly name: string;
  readonly weight: number;
  readonly options: () => Omit<ScenarioOptions, 'name'>;
}

/** A language model of one block, its head on a group of its own. */
const inTwoGroups = (first: PlanGroup['mesh'], second: PlanGroup['mesh']) =>
  pipelineOf([
    { segments: ['embedding', 'blocks.0'], mesh: first },
    { segments: ['head'], mesh: second },
  ]);

const split = { batch: ['data'], hidden: ['tensor'], heads: ['tensor'], vocab: ['tensor'] };
const even = { batch: 4, dim: 3, hidden: 4, layers: 2 };
const uneven = { batch: 5, dim: 3, hidden: 7, layers: 1 };

/** Every residual is made again by the backward. */
const allAgain: ScenarioOptions['scopes'] = [{ of: '*', made: 'again', keep: 'backward', ops: 'all' }];

const byExpert = { microbatch: ['data'], experts: ['data'], hidden: ['tensor'], heads: ['tensor'] };

/** A layer a chunk, two chunks a group, where the schedule has them. */
function fourChunks(schedule: string, meshes: readonly Record<string, number>[]) {
  return {
    ...mlp({ ...even, layers: 4, segments: 'layers', update: 'sgd' }),
    pipeline: pipelineUnder(schedule, meshes, ['layers.0', 'layers.1', 'layers.2', 'layers.3']),
    schedule,
  };
}

export const recipes: readonly Recipe[] = [
  {
    name: 'mlp, data 2, 2 microbatches',
    weight: 3,
    options: () => ({ ...mlp({ ...even, update: 'adamw' }), mesh: { data: 2 }, split, microbatches: 2 }),
  },
  {
    name: 'mlp, tensor 2, 3 microbatches',
    weight: 3,
    options: () => ({ ...mlp({ ...even, update: 'sgd' }), mesh: { tensor: 2 }, split, microbatches: 3 }),
  },
  {
    name: 'mlp, data 2 × tensor 2, 2 microbatches, ZeRO-1',
    weight: 3,
    options: () => ({
      ...mlp({ ...even, layers: 1, update: 'adamw' }),
      mesh: { data: 2, tensor: 2 },
      split,
      microbatches: 2,
      zero: { stage: 1, axes: ['data'] },
    }),
  },
  {
    name: 'mlp, data 2, 2 microbatches, ZeRO-3',
    weight: 3,
    options: () => ({
      ...mlp({ ...even, update: 'adamw' }),
      mesh: { data: 2 },
      split,
      microbatches: 2,
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  {
    name: 'mlp, two replicas of two shards, 2 microbatches, ZeRO-3',
    weight: 3,
    options: () => ({
      ...mlp({ ...even, layers: 1, update: 'adamw' }),
      mesh: { replica: 2, shard: 2 },
      split: { batch: ['replica', 'shard'] },
      microbatches: 2,
      zero: { stage: 3, axes: ['shard'] },
    }),
  },
  {
    name: 'gpt in bf16, data 2, 2 microbatches, ZeRO-2',
    weight: 1,
    options: () => ({
      ...inBf16(),
      mesh: { data: 2 },
      split,
      microbatches: 2,
      zero: { stage: 2, axes: ['data'] },
    }),
  },
  {
    name: 'gpt in bf16, data 2 × tensor 2, 2 microbatches, ZeRO-3',
    weight: 2,
    options: () => ({
      ...inBf16(),
      mesh: { data: 2, tensor: 2 },
      split,
      microbatches: 2,
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  {
    name: 'mlp, data 3, 2 microbatches, ZeRO-1, native kernels',
    weight: 2,
    options: () => ({
      ...mlp({ ...even, batch: 3, layers: 1, update: 'adamw' }),
      target: 'cpu',
      mesh: { data: 3 },
      split,
      microbatches: 2,
      zero: { stage: 1, axes: ['data'] },
    }),
  },
  {
    name: 'mlp, uneven over data 2 × tensor 2, 2 microbatches',
    weight: 2,
    options: () => ({ ...mlp({ ...uneven, update: 'sgd' }), mesh: { data: 2, tensor: 2 }, split, microbatches: 2 }),
  },
  {
    name: 'gpt, tensor 2, 2 microbatches',
    weight: 1,
    options: () => ({ ...gpt(), mesh: { tensor: 2 }, split, microbatches: 2 }),
  },
  {
    name: 'gpt, data 2 × tensor 2, ZeRO-1, blocks of shards that are padded',
    weight: 2,
    options: () => ({ ...gpt(), mesh: { data: 2, tensor: 2 }, split, zero: { stage: 1, axes: ['data'] } }),
  },
  {
    name: 'gpt, its sequence and its heads over tensor 2, unevenly, 2 microbatches',
    weight: 2,
    options: () => ({
      ...gpt(),
      mesh: { tensor: 2 },
      split: { ...split, sequence: ['tensor'] },
      microbatches: 2,
    }),
  },
  {
    name: 'gpt, data 2, 2 microbatches',
    weight: 1,
    options: () => ({ ...gpt(), mesh: { data: 2 }, split, microbatches: 2 }),
  },
  {
    name: 'gpt, data 2, 2 microbatches, native kernels',
    weight: 2,
    options: () => ({ ...gpt(), target: 'cpu', mesh: { data: 2 }, split, microbatches: 2 }),
  },
  {
    name: 'gpt in bf16, whose weights are cast once a step, tensor 2, 3 microbatches',
    weight: 1,
    options: () => ({ ...inBf16(), mesh: { tensor: 2 }, split, microbatches: 3 }),
  },
  {
    name: 'gpt with dropout, three layers in loops, data 2',
    weight: 2,
    options: () => ({ ...deepGpt(), mesh: { data: 2 }, split, microbatches: 1 }),
  },
  {
    name: 'gpt with dropout, two layers made again, data 2, 2 microbatches',
    weight: 2,
    options: () => ({ ...deepGpt(2), mesh: { data: 2 }, split, microbatches: 2, scopes: allAgain }),
  },
  {
    name: 'gpt with dropout, two layers made again, data 2, 2 microbatches, ZeRO-3',
    weight: 2,
    options: () => ({
      ...deepGpt(2),
      mesh: { data: 2 },
      split,
      microbatches: 2,
      scopes: allAgain,
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  {
    name: 'gpt with dropout, made again, two groups, 1F1B, 2 microbatches',
    weight: 1,
    options: () => ({
      ...deepGpt(1),
      pipeline: inTwoGroups({ data: 2 }, { data: 2 }),
      split,
      microbatches: 2,
      schedule: '1f1b',
      scopes: allAgain,
    }),
  },
  {
    name: 'gpt, two groups, 1F1B, 3 microbatches',
    weight: 2,
    options: () => ({
      ...gpt(),
      pipeline: inTwoGroups({ data: 1 }, { data: 2 }),
      split,
      microbatches: 3,
      schedule: '1f1b',
    }),
  },
  {
    name: 'mlp, two groups of two chunks, interleaved, 3 microbatches',
    weight: 2,
    options: () => ({ ...fourChunks('interleaved', [{ data: 2 }, {}]), split, microbatches: 3 }),
  },
  {
    name: 'mlp, two groups there and back, zb-v, 2 microbatches',
    weight: 3,
    options: () => ({ ...fourChunks('zb-v', [{}, { tensor: 2 }]), split, microbatches: 2 }),
  },
  {
    name: 'mixtral, experts over data 2',
    weight: 2,
    options: () => ({ ...mixtral(), mesh: { data: 2 }, split: byExpert }),
  },
  {
    name: 'mixtral, experts over data 2 × tensor 2, ZeRO-3',
    weight: 2,
    options: () => ({
      ...mixtral(1),
      mesh: { data: 2, tensor: 2 },
      split: byExpert,
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  ...contextMethods.map((contextMethod): Recipe => ({
    name: `gpt, its sequences over context 2, ${contextMethod}`,
    weight: 2,
    options: () => ({
      ...gpt(),
      mesh: { context: 2 },
      split: { ...split, sequence: ['context'] },
      contextMethod,
      microbatches: 2,
    }),
  })),
  {
    name: 'gpt, its sequences over context 3, ring',
    weight: 2,
    options: () => ({
      ...gpt(),
      mesh: { context: 3 },
      split: { sequence: ['context'] },
      contextMethod: 'ring',
    }),
  },
  {
    name: 'mixtral of two choices, experts over data 2, sequences over context 2',
    weight: 2,
    options: () => ({
      ...mixtral(3, 2),
      mesh: { data: 2, context: 2 },
      split: { ...byExpert, sequence: ['context'] },
    }),
  },
  {
    name: 'mixtral of two choices, experts over two shards, in two replicas',
    weight: 2,
    options: () => ({
      ...mixtral(2, 2),
      mesh: { replica: 2, shard: 2 },
      split: { batch: ['replica'], microbatch: ['shard'], experts: ['shard'] },
      zero: { stage: 0, axes: ['shard'] },
    }),
  },
  {
    name: 'mixtral, two groups, experts over data 2, 1F1B, 2 microbatches',
    weight: 2,
    options: () => ({
      ...mixtral(1),
      pipeline: inTwoGroups({ data: 2 }, { data: 2 }),
      split: byExpert,
      microbatches: 2,
      schedule: '1f1b',
    }),
  },
  {
    name: 'gpt, two groups of data 2, a tied weight, 1F1B, 2 microbatches, ZeRO-3',
    weight: 2,
    options: () => ({
      ...gpt(),
      pipeline: inTwoGroups({ data: 2 }, { data: 2 }),
      split,
      microbatches: 2,
      schedule: '1f1b',
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  {
    name: 'mlp, two groups of two chunks, interleaved, 2 microbatches, ZeRO-3',
    weight: 2,
    options: () => ({
      ...fourChunks('interleaved', [{ data: 2 }, { data: 2 }]),
      split,
      microbatches: 2,
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  {
    name: 'mlp, two groups of data 2 with the same weights, 1F1B, 2 microbatches, ZeRO-3',
    weight: 2,
    options: () => ({
      ...mlp({ ...even, dim: 4, tied: true, segments: 'layers', update: 'adamw' }),
      pipeline: pipelineUnder('1f1b', [{ data: 2 }, { data: 2 }], ['layers.0', 'layers.1']),
      split,
      microbatches: 2,
      schedule: '1f1b',
      zero: { stage: 3, axes: ['data'] },
    }),
  },
  {
    name: 'gpt, two groups there and back, a tied weight, zb-v, 2 microbatches, ZeRO-3',
    weight: 2,
    options: () => ({
      ...gpt(2),
      pipeline: pipelineUnder('zb-v', [{ data: 2 }, { data: 2 }], ['embedding', 'blocks.0', 'blocks.1', 'head']),
      split,
      microbatches: 2,
      schedule: 'zb-v',
      zero: { stage: 3, axes: ['data'] },
    }),
  },
];
