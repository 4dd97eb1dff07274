/** Options of the optimizer, its learning-rate schedule among them: `config.optimizer`, and what `optim.adamw()` takes. */
import { z } from 'zod';
import type { Conflict } from '../options/diagnostics.js';
import { parseOptions, refuseConflict } from '../options/parse.js';

/**
 * AdamW (Loshchilov & Hutter 2019): Adam whose weight decay does not pass through the moments. Betas, weight decay on matrices and the clipped
 * norm are by default those of GPT-3 (Brown et al. 2020).
 */
export const optimizerSchema = z
  .strictObject({
    name: z
      .enum(['adamw'])
      .default('adamw')
      .meta({
        description: 'AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019).',
        also: ['type', 'optimizer', 'optim'],
      }),
    lr: z
      .number()
      .positive()
      .default(3e-4)
      .meta({
        description: 'Peak learning rate, reached after warm-up.',
        unit: 'update per gradient scale',
        effect: 'Too high: the loss diverges. Too low: it falls slowly.',
        flag: true,
        also: ['learning_rate', 'max_lr', 'base_lr', 'peak_lr'],
      }),
    schedule: z
      .enum(['cosine', 'linear', 'constant'])
      .default('cosine')
      .meta({
        description: 'How the learning rate falls after warm-up.',
        also: ['lr_schedule', 'lr_decay_style', 'lr_scheduler', 'lr_scheduler_type', 'scheduler', 'decay_type'],
      }),
    warmup_steps: z
      .int()
      .nonnegative()
      .nullable()
      .default(null)
      .meta({
        description:
          'Steps over which the learning rate rises linearly to lr. null: 200, or a tenth of the schedule where that is less. A run that is shorter than what is given takes a tenth of its steps, unless decay_steps is set.',
        unit: 'steps',
        also: ['warmup', 'warmup_iters', 'lr_warmup_iters', 'lr_warmup_steps', 'num_warmup_steps', 'warmup_num_steps'],
      }),
    warmup_init: z
      .number()
      .nonnegative()
      .default(0)
      .meta({
        description: 'Learning rate that warm-up rises from; the first step is already above it.',
        unit: 'update per gradient scale',
        also: ['lr_warmup_init', 'warmup_min_lr', 'init_lr'],
      }),
    decay_steps: z
      .int()
      .positive()
      .nullable()
      .default(null)
      .meta({
        description:
          'Steps after which the learning rate has reached its minimum, warm-up included. null: those of the run.',
        unit: 'steps',
        also: ['lr_decay_iters', 'lr_decay_steps', 'total_num_steps'],
      }),
    min_lr_ratio: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .meta({
        description: 'Learning rate at the end of the decay, as a share of lr.',
        unit: 'ratio',
        also: ['min_lr', 'min_lr_factor', 'cos_min_ratio', 'lr_min', 'warmup_min_ratio', 'end_lr'],
      }),
    weight_decay: z
      .number()
      .nonnegative()
      .default(0.1)
      .meta({
        description: 'Decoupled decay of matrices and embeddings; see decay for which.',
        unit: '1 / (step · lr)',
        also: ['wd'],
      }),
    decay: z.enum(['matrices', 'all']).default('matrices').meta({
      description: 'Which parameters decay: those of two or more dimensions (not biases and norms), or all.',
    }),
    beta1: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9)
      .meta({
        description: 'Decay of the running mean of gradients.',
        unit: 'ratio',
        also: ['adam_beta1', 'betas', 'b1'],
      }),
    beta2: z
      .number()
      .min(0)
      .lt(1)
      .default(0.95)
      .meta({
        description: 'Decay of the running mean of squared gradients.',
        unit: 'ratio',
        also: ['adam_beta2', 'b2'],
      }),
    eps: z
      .number()
      .nonnegative()
      .default(1e-8)
      .meta({
        description:
          'Added to the root of the second moment. 0: nothing; what has never had a gradient then stays as it is.',
        unit: 'gradient',
        also: ['adam_eps', 'adam_epsilon', 'epsilon'],
      }),
    clip_grad_norm: z
      .number()
      .positive()
      .nullable()
      .default(1)
      .meta({
        description: 'Largest norm of all gradients together; larger ones are scaled down to it. null: no clipping.',
        unit: 'gradient',
        also: ['clip_grad', 'grad_clip', 'max_grad_norm', 'max_norm', 'gradient_clipping', 'gradient_clip_val', 'clip'],
      }),
  })
  .prefault({})
  .meta({ description: 'The optimizer; in a TypeScript config, also `optim.adamw({ … })`.' });

/** An optimizer with every field present. */
export type AdamW = z.output<typeof optimizerSchema>;

/** What `optim.adamw()` takes, and `config.optimizer`: any field may be left out. */
export type AdamWOptions = NonNullable<z.input<typeof optimizerSchema>>;

/**
 * An optimizer as `config.optimizer` describes it: `adamw({ lr: 1e-3 })` and `{ optimizer: { lr: 1e-3 } }` are the same. Throws
 * `config/unknown-option`, `config/wrong-option`, `config/option-conflict`.
 */
export function adamw(options: AdamWOptions = {}): AdamW {
  const source = 'options of optim.adamw()';
  const optimizer = parseOptions(optimizerSchema, options, source);
  refuseConflict(optimizerConflicts(optimizer), source);
  return optimizer;
}

/** Fields of an optimizer that contradict each other. */
export function optimizerConflicts({ warmup_steps, decay_steps }: AdamW): readonly Conflict[] {
  if (decay_steps === null || (warmup_steps ?? 0) <= decay_steps) return [];
  return [
    {
      options: ['optimizer.warmup_steps', 'optimizer.decay_steps'],
      problem: `warm-up of ${warmup_steps} steps is longer than the schedule of ${decay_steps}`,
      fix: `set optimizer.warmup_steps to ${Math.floor(decay_steps / 10)}`,
    },
  ];
}
