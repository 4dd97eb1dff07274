/** Fields of `optimizer`, its learning-rate schedule among them. */
import { z } from 'zod';

export const optimizer = z
  .strictObject({
    name: z.enum(['adamw']).default('adamw').meta({
      description: 'AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019).',
    }),
    lr: z.number().positive().default(3e-4).meta({
      description: 'Peak learning rate, reached after warm-up.',
      unit: 'update per gradient scale',
      effect: 'Too high: the loss diverges. Too low: it falls slowly.',
      flag: true,
    }),
    schedule: z.enum(['cosine', 'linear', 'constant']).default('cosine').meta({
      description: 'How the learning rate falls after warm-up.',
    }),
    warmup_steps: z.int().nonnegative().nullable().default(null).meta({
      description:
        'Steps over which the learning rate rises linearly to lr. null: 200, or a tenth of the schedule where that is less. A run that is shorter than what is given takes a tenth of its steps.',
      unit: 'steps',
    }),
    warmup_init: z.number().nonnegative().default(0).meta({
      description: 'Learning rate before the first step of warm-up.',
      unit: 'update per gradient scale',
    }),
    decay_steps: z.int().positive().nullable().default(null).meta({
      description:
        'Steps after which the learning rate has reached its minimum, warm-up included. null: those of the run.',
      unit: 'steps',
    }),
    min_lr_ratio: z.number().min(0).max(1).default(0.1).meta({
      description: 'Learning rate at the end of the decay, as a share of lr.',
      unit: 'ratio',
    }),
    weight_decay: z.number().nonnegative().default(0.1).meta({
      description: 'Decoupled decay of matrices and embeddings; see decay for which.',
      unit: '1 / (step · lr)',
    }),
    decay: z.enum(['matrices', 'all']).default('matrices').meta({
      description: 'Which parameters decay: those of two or more dimensions (not biases and norms), or all.',
    }),
    beta1: z.number().min(0).lt(1).default(0.9).meta({
      description: 'Decay of the running mean of gradients.',
      unit: 'ratio',
    }),
    beta2: z.number().min(0).lt(1).default(0.95).meta({
      description: 'Decay of the running mean of squared gradients.',
      unit: 'ratio',
    }),
    eps: z.number().nonnegative().default(1e-8).meta({
      description: 'Added to the root of the second moment.',
      unit: 'gradient',
    }),
    clip_grad_norm: z.number().positive().nullable().default(1).meta({
      description: 'Largest norm of all gradients together; larger ones are scaled down to it. null: no clipping.',
      unit: 'gradient',
    }),
  })
  .prefault({})
  .meta({ description: 'The optimizer; in a TypeScript config, an object such as `optim.adamw({ … })`.' });
