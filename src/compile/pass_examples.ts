/** The worked examples of all passes, in the order in which the passes run: one or more each, for its page in docs/passes/ and its tests. */
import { bucketsExample } from '../partition/buckets.example.js';
import { fuseEinsumAddExample } from '../partition/fuse_einsum_add.example.js';
import { partitionExamples } from '../partition/partition.example.js';
import { recomputeExample } from '../partition/recompute.example.js';
import { autodiffExample, sumOfContributions } from '../passes/autodiff.example.js';
import { exactSumsExample } from '../passes/exact_sums.example.js';
import { headTailExample } from '../passes/head_tail.example.js';
import { ringAttentionExample } from '../passes/ring_attention.example.js';
import { castByGroupExample } from '../passes/cast_by_group.example.js';
import { eliminateDeadCodeExample } from '../passes/eliminate_dead_code.example.js';
import type { PassExample } from '../passes/example.js';
import { precisionExample, wideSoftmax } from '../passes/precision.example.js';
import { splitBackwardExample } from '../passes/split_backward.example.js';
import { splitSumsExample } from '../passes/split_sums.example.js';
import { traceExample } from '../passes/trace.example.js';
import { assignMemoryExample, memoryAcrossLanes } from './assign_memory.example.js';
import { foldExample } from '../lower/fold.example.js';
import { hoistExample } from '../lower/hoist.example.js';
import { lowerExample } from '../lower/lower.example.js';

export const passExamples: readonly PassExample[] = [
  traceExample,
  autodiffExample,
  sumOfContributions,
  eliminateDeadCodeExample,
  precisionExample,
  wideSoftmax,
  exactSumsExample,
  headTailExample,
  ringAttentionExample,
  castByGroupExample,
  splitSumsExample,
  splitBackwardExample,
  ...partitionExamples,
  fuseEinsumAddExample,
  recomputeExample,
  bucketsExample,
  hoistExample,
  lowerExample,
  assignMemoryExample,
  memoryAcrossLanes,
  foldExample,
];
