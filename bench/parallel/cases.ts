/** Which plan of ours stands beside which way of PyTorch to share a step over two ranks. */
import type { ParallelSizes } from '../../src/plan/parallel_sizes.js';
import type { TorchStrategy } from '../contestant/config.js';

export interface ParallelCase {
  readonly name: string;
  readonly peer: string;
  readonly strategy: TorchStrategy;
  readonly sizes: ParallelSizes;
  /** Microbatches of a step, on each side: PyTorch's pipeline has as many, the others take a rank's part of the batch at once. */
  readonly microbatches: number;
}

export const parallelRanks = 2;

export const parallelCases: readonly ParallelCase[] = [
  {
    name: 'data 2',
    peer: 'PyTorch DDP',
    strategy: 'ddp',
    sizes: { data_parallel_size: 2 },
    microbatches: 2,
  },
  {
    name: 'data 2, ZeRO-3',
    peer: 'PyTorch FSDP2',
    strategy: 'fsdp2',
    sizes: { data_parallel_size: 2, zero_stage: 3 },
    microbatches: 2,
  },
  {
    name: 'tensor 2, sequence parallel',
    peer: 'PyTorch DTensor',
    strategy: 'tensor',
    sizes: { tensor_parallel_size: 2, sequence_parallel: true },
    microbatches: 1,
  },
  {
    name: 'pipeline 2, 1F1B',
    peer: 'torch.distributed.pipelining',
    strategy: 'pipeline',
    sizes: { pipeline_parallel_size: 2 },
    microbatches: 8,
  },
  {
    name: 'context 2, all-gather',
    peer: 'PyTorch, all-gather by hand',
    strategy: 'context',
    sizes: { context_parallel_size: 2 },
    microbatches: 1,
  },
];
