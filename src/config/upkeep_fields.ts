/** Fields of what a run does besides training: evaluation, checkpoints, the sample, its log. */
import { z } from 'zod';

export const evaluation = z
  .strictObject({
    every_steps: z.int().positive().nullable().default(100).meta({
      description: 'Steps between two measurements of the validation loss. null: only at the end.',
      unit: 'steps',
    }),
    batches: z.int().positive().default(4).meta({
      description: 'Validation batches of batch.sequences each; the same ones every time.',
      unit: 'batches',
    }),
  })
  .prefault({})
  .meta({ description: 'Measuring the loss on text that is not trained on.' });

export const checkpoint = z
  .strictObject({
    every_steps: z.int().positive().nullable().default(500).meta({
      description: 'Steps between two checkpoints. null: only at the end.',
      unit: 'steps',
      effect: 'A failure loses at most this many steps.',
    }),
    keep: z.int().positive().nullable().default(2).meta({
      description: 'Checkpoints that stay. null: all.',
      unit: 'checkpoints',
    }),
    directory: z.string().min(1).nullable().default(null).meta({
      description:
        'Where they are written: a folder of this run alone. A resume may name another, and goes on from the latest wherever it is. null: checkpoints/ in the run folder.',
    }),
    initial_load_path: z.string().min(1).nullable().default(null).meta({
      description:
        'A run folder, or one checkpoint of it, whose parameters a new run begins with: at step 0, with new optimizer state and the data from its beginning. null: first values.',
    }),
  })
  .prefault({})
  .meta({ description: 'Saving state, so that a run can go on after it ends or fails.' });

export const sample = z
  .strictObject({
    prompt: z.string().default('').meta({ description: 'Text that the sample after training continues.' }),
    tokens: z.int().nonnegative().default(120).meta({ description: 'Length of the sample; 0: none.', unit: 'tokens' }),
    temperature: z.number().nonnegative().default(0.8).meta({
      description: 'Divides the logits before sampling; 0 takes the likeliest token.',
      unit: 'ratio',
    }),
    top_k: z.int().positive().nullable().default(40).meta({
      description: 'Only this many of the likeliest tokens are drawn from. null: all.',
      unit: 'tokens',
    }),
  })
  .prefault({})
  .meta({ description: 'The sample of generated text after training.' });

export const logging = z
  .strictObject({
    directory: z.string().min(1).default('runs').meta({ description: 'Folder of run folders.' }),
    name: z.string().nullable().default(null).meta({
      description: 'Name of the run folder, which is no path. null: date and time.',
    }),
    console: z.boolean().default(true).meta({
      description:
        'Whether progress is shown on standard output: a panel in a terminal, lines elsewhere. false: what a run tells is in its log.txt alone; errors, and answers to signals, are shown still.',
    }),
    every_steps: z.int().positive().default(1).meta({
      description: 'Steps between two lines of metrics.jsonl.',
      unit: 'steps',
    }),
    trace_steps: z.int().nonnegative().default(2).meta({
      description: 'Steps whose launches are recorded in trace.json.',
      unit: 'steps',
    }),
  })
  .prefault({})
  .meta({ description: 'What a run writes besides checkpoints.' });
