/** Fields of `batch` and `plan`: how many sequences make a step, and who computes them. */
import { z } from 'zod';

export const batch = z
  .strictObject({
    sequences: z.int().positive().default(64).meta({
      description: 'Sequences in one step, over all ranks (global batch size). A multiple of microbatch.',
      unit: 'sequences',
      effect: 'Larger: less noise in the gradient, more time a step.',
      flag: true,
    }),
    microbatch: z.int().positive().default(8).meta({
      description: 'Sequences in one logical microbatch: what the pipeline schedules and gradients accumulate over.',
      unit: 'sequences',
      effect: 'Halved: half the activation bytes, twice the kernel launches.',
      flag: true,
    }),
  })
  .prefault({})
  .meta({ description: 'How many sequences make a step.' });

const planSizes = z.strictObject({
  data_parallel_size: z.int().positive().nullable().default(null).meta({
    description: 'Replicas of the model, each with its share of the batch. null: as many as the ranks allow.',
    unit: 'ranks',
    flag: true,
  }),
  tensor_parallel_size: z.int().positive().default(1).meta({
    description: 'Ranks that share every layer, split over heads and MLP features.',
    unit: 'ranks',
    flag: true,
  }),
  pipeline_parallel_size: z.int().positive().default(1).meta({
    description: 'Stages, each with a run of the layers.',
    unit: 'stages',
    flag: true,
  }),
  zero_stage: z.int().min(0).max(1).default(0).meta({
    description: 'What data-parallel ranks divide among them: 0 nothing, 1 optimizer state and the update.',
    unit: 'stage',
    effect:
      '1: 8 bytes a parameter less on each rank but its share; gradients are reduce-scattered, parameters gathered.',
    flag: true,
  }),
});

export const plan = z
  .union([z.string().min(1), planSizes])
  .default('auto')
  .meta({
    description: "'auto' (data parallelism over all ranks), the path of a plan file, or sizes.",
  });
