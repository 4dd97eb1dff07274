/** One small model and the plans that it is trained by: each way to share a step alone, on two and on four devices, and together. */
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';
import type { PlannedBatch } from '../../src/plan/share_batch.js';
import type { ModelSizes } from '../contestant/models.js';

/** As many layers as the longest pipeline has groups, and sizes that four ranks share evenly. */
export const strategyModel = { layers: 4, dim: 128, heads: 4, context: 128, vocab: 1024 } as const satisfies ModelSizes;

export const strategyBatch = { sequences: 16, microbatch: 2 } as const satisfies PlannedBatch;

export interface Strategy {
  readonly name: string;
  readonly sizes: ParallelSizes;
}

const data = (size: number) => ({ data_parallel_size: size });
const tensor = (size: number) => ({ tensor_parallel_size: size });
const context = (size: number) => ({ context_parallel_size: size });
const pipeline = (size: number) => ({ pipeline_parallel_size: size });

export const strategies: readonly Strategy[] = [
  { name: 'one device', sizes: {} },
  { name: 'data 2', sizes: data(2) },
  { name: 'data 4', sizes: data(4) },
  { name: 'data 2, ZeRO-1', sizes: { ...data(2), zero_stage: 1 } },
  { name: 'data 2, ZeRO-2', sizes: { ...data(2), zero_stage: 2 } },
  { name: 'data 2, ZeRO-3', sizes: { ...data(2), zero_stage: 3 } },
  { name: 'data 4, ZeRO-3', sizes: { ...data(4), zero_stage: 3 } },
  { name: 'tensor 2', sizes: tensor(2) },
  { name: 'tensor 4', sizes: tensor(4) },
  { name: 'tensor 2, sequence parallel', sizes: { ...tensor(2), sequence_parallel: true } },
  { name: 'context 2, all-gather', sizes: context(2) },
  { name: 'context 2, Ulysses', sizes: { ...context(2), context_parallel_method: 'ulysses' } },
  { name: 'context 2, ring', sizes: { ...context(2), context_parallel_method: 'ring' } },
  { name: 'pipeline 2', sizes: pipeline(2) },
  { name: 'pipeline 4', sizes: pipeline(4) },
  { name: 'pipeline 2, interleaved', sizes: { ...pipeline(2), virtual_stages: 2 } },
  { name: 'pipeline 2, ZB-H1', sizes: { ...pipeline(2), pipeline_schedule: 'zb-h1' } },
  { name: 'data 2 × tensor 2', sizes: { ...data(2), ...tensor(2) } },
  { name: 'data 2 × pipeline 2', sizes: { ...data(2), ...pipeline(2) } },
  { name: 'tensor 2 × pipeline 2', sizes: { ...tensor(2), ...pipeline(2) } },
];
