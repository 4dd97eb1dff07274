/** Cases that stay: the first that every run of a law tries. */
import type { HintsDraw, TrainingDraw } from '../arbitraries/training.js';

const one = { data: 1, tensor: 1, context: 1 };

/** A perceptron of one layer on one rank, without an update. */
export const smallest: TrainingDraw = {
  model: 'mlp',
  layers: 1,
  heads: 2,
  headDim: 2,
  group: 1,
  hidden: 6,
  vocab: 2,
  experts: 2,
  dropout: false,
  tied: false,
  window: 0,
  documents: 'packed',
  sequence: 1,
  batch: 2,
  logical: 1,
  microbatches: 1,
  meshes: [{ data: 1, tensor: 1, context: 1 }],
  schedule: '1f1b',
  virtualStages: 1,
  cuts: 0,
  order: ['generated', 0],
  dataSplits: 'batch',
  skip: 0,
  uneven: [0, 0],
  contextSplits: 'sequence',
  expertsOverData: false,
  contextMethod: 'allgather',
  sequenceParallel: false,
  zero: 0,
  zeroOverContext: false,
  again: ['nothing', 'backward'],
  reshards: 'microbatch',
  shard: 0,
  gatheredAgain: true,
  bucketBytes: 0,
  prefetch: 1,
  reductions: null,
  gradients: ['master', null],
  update: false,
  whim: 1,
};

/**
 * What a plan has to get right at once: tied weights of two groups, experts with two data axes, blocks of unlike sizes; and what a search
 * found: ranks that no message reaches, since they have no part of the batch, or of a tied weight's rows; groups whose last slots are of
 * other microbatches; a tied weight of two chunks of which one splits its backward; a table with many messages under way at once.
 */
export const fixed: [TrainingDraw, HintsDraw][] = [
  [
    {
      ...smallest,
      model: 'llama',
      layers: 2,
      group: 2,
      vocab: 5,
      tied: true,
      sequence: 3,
      microbatches: 3,
      meshes: [
        { data: 2, tensor: 2, context: 1 },
        { data: 1, tensor: 3, context: 1 },
      ],
      zero: 1,
      update: true,
    },
    { percent: 5, seed: 1 },
  ],
  [
    {
      ...smallest,
      model: 'mixtral',
      sequence: 4,
      logical: 3,
      microbatches: 2,
      meshes: [{ data: 2, tensor: 1, context: 2 }],
      dataSplits: 'microbatch',
      update: true,
    },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'gpt',
      vocab: 7,
      dropout: true,
      sequence: 2,
      batch: 3,
      meshes: [{ data: 2, tensor: 3, context: 1 }],
      uneven: [5, 3],
      zero: 1,
      update: true,
    },
    { percent: 20, seed: 2 },
  ],
  [
    { ...smallest, model: 'gpt', batch: 1, meshes: [one, { data: 4, tensor: 1, context: 1 }] },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'llama',
      heads: 1,
      headDim: 1,
      hidden: 1,
      tied: true,
      batch: 1,
      meshes: [
        { data: 1, tensor: 1, context: 1 },
        { data: 1, tensor: 4, context: 1 },
      ],
      update: true,
      whim: 0,
    },
    { percent: 0, seed: 0 },
  ],
  [
    { ...smallest, microbatches: 2, meshes: [one, one], order: ['reordered', 70], update: true },
    { percent: 0, seed: 0 },
  ],
  [
    { ...smallest, model: 'gpt', tied: true, microbatches: 2, meshes: [one, one], order: ['any', 271] },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      microbatches: 8,
      meshes: [one, one, one, one],
      schedule: 'dualpipe-v',
      virtualStages: 2,
      order: ['any', 992],
    },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'gpt',
      batch: 3,
      microbatches: 2,
      meshes: [{ data: 4, tensor: 2, context: 1 }],
      zero: 3,
      shard: 2,
      update: true,
    },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'llama',
      tied: true,
      microbatches: 3,
      batch: 4,
      meshes: [
        { data: 4, tensor: 1, context: 1 },
        { data: 2, tensor: 1, context: 1 },
      ],
      zero: 2,
      shard: 2,
      update: true,
    },
    { percent: 0, seed: 0 },
  ],
  [
    {
      ...smallest,
      model: 'gpt',
      batch: 4,
      microbatches: 2,
      meshes: [{ data: 4, tensor: 1, context: 1 }],
      zero: 1,
      shard: 2,
      reductions: 'each',
      gradients: ['compute', 'f64'],
      update: true,
    },
    { percent: 0, seed: 0 },
  ],
  // The hint splits the cast of a gradient over the axis that its sum is to be reduced over.
  [
    {
      ...smallest,
      model: 'gpt',
      heads: 1,
      headDim: 1,
      hidden: 1,
      batch: 1,
      meshes: [{ data: 4, tensor: 1, context: 1 }],
      schedule: 'gpipe',
      whim: 0,
    },
    { percent: 60, seed: 326 },
  ],
  // Sequences over both axes, attention by heads over both.
  [
    {
      ...smallest,
      model: 'llama',
      heads: 5,
      headDim: 2,
      sequence: 5,
      microbatches: 2,
      meshes: [{ data: 1, tensor: 2, context: 2 }],
      contextMethod: 'ulysses',
      sequenceParallel: true,
      reshards: 'segment and direction',
      update: true,
    },
    { percent: 0, seed: 0 },
  ],
  // What is gathered ahead of the first microbatch's forward, and in those of the others, is overwritten by the update.
  [
    {
      ...smallest,
      heads: 1,
      headDim: 1,
      hidden: 1,
      batch: 1,
      microbatches: 2,
      meshes: [{ data: 1, tensor: 4, context: 1 }],
      schedule: 'gpipe',
      zero: 3,
      gatheredAgain: false,
      update: true,
      whim: 46,
    },
    { percent: 0, seed: 0 },
  ],
];
