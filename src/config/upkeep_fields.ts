/** Fields of what a run does besides training: evaluation, checkpoints, the sample, its log. */
import { z } from 'zod';

export const evaluation = z
  .strictObject({
    every_steps: z
      .int()
      .positive()
      .nullable()
      .default(100)
      .meta({
        description: 'Steps between two measurements of the validation loss. null: only at the end.',
        unit: 'steps',
        also: ['eval_interval', 'eval_steps', 'eval_every', 'validation_interval', 'val_check_interval'],
      }),
    batches: z
      .int()
      .positive()
      .default(4)
      .meta({
        description: 'Validation batches of batch.sequences each; the same ones every time.',
        unit: 'batches',
        also: ['eval_iters', 'eval_batches', 'limit_val_batches'],
      }),
  })
  .prefault({})
  .meta({ description: 'Measuring the loss on text that is not trained on.' });

export const checkpoint = z
  .strictObject({
    every_steps: z
      .int()
      .positive()
      .nullable()
      .default(500)
      .meta({
        description: 'Steps between two checkpoints. null: only at the end.',
        unit: 'steps',
        effect: 'A failure loses at most this many steps.',
        also: ['save_interval', 'save_steps', 'save_every', 'checkpoint_interval', 'interval'],
      }),
    keep: z
      .int()
      .positive()
      .nullable()
      .default(2)
      .meta({
        description: 'Checkpoints that stay. null: all.',
        unit: 'checkpoints',
        also: ['save_total_limit', 'keep_latest_k', 'max_to_keep'],
      }),
    directory: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description:
          'Where they are written: a folder of this run alone. A resume may name another, and goes on from the latest wherever it is. null: checkpoints/ in the run folder.',
        also: ['save', 'save_dir', 'checkpoint_dir', 'ckpt_dir'],
      }),
    initial_load_path: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description:
          'A run folder, or one checkpoint of it, whose parameters a new run begins with: at step 0, with new optimizer state and the data from its beginning. null: first values.',
        also: ['load', 'init_from', 'pretrained_checkpoint', 'resume_from_checkpoint', 'load_path', 'from_pretrained'],
      }),
  })
  .prefault({})
  .meta({ description: 'Saving state, so that a run can go on after it ends or fails.' });

export const sample = z
  .strictObject({
    prompt: z.string().default('').meta({ description: 'Text that the sample continues.' }),
    tokens: z
      .int()
      .nonnegative()
      .default(120)
      .meta({
        description: 'Length of the sample; 0: none.',
        unit: 'tokens',
        also: ['max_new_tokens', 'num_tokens', 'max_tokens', 'sample_tokens'],
      }),
    temperature: z.number().nonnegative().default(0.8).meta({
      description: 'Divides the logits before sampling; 0 takes the likeliest token.',
      unit: 'ratio',
    }),
    top_k: z
      .int()
      .nonnegative()
      .default(40)
      .meta({
        description: 'Only this many of the likeliest tokens are drawn from; 0: from all.',
        unit: 'tokens',
        also: ['topk'],
      }),
  })
  .prefault({})
  .meta({ description: 'The sample of generated text after training.' });

export const logging = z
  .strictObject({
    directory: z
      .string()
      .min(1)
      .default('runs')
      .meta({
        description: 'Folder of run folders.',
        also: ['output_dir', 'out_dir', 'log_dir', 'dump_folder', 'runs_dir', 'save_folder'],
      }),
    name: z
      .string()
      .nullable()
      .default(null)
      .meta({
        description: 'Name of the run folder, which is no path. null: date and time.',
        flag: true,
        also: ['run_name', 'experiment_name', 'wandb_run_name', 'job_name'],
      }),
    console: z.boolean().default(true).meta({
      description:
        'Whether progress is shown on standard output: a panel in a terminal, lines elsewhere. false: what a run tells is in its log.txt alone; errors, and answers to signals, are shown still.',
    }),
    every_steps: z
      .int()
      .positive()
      .default(1)
      .meta({
        description: 'Steps between two lines of metrics.jsonl.',
        unit: 'steps',
        also: ['log_interval', 'logging_steps', 'log_freq', 'log_every_n_steps'],
      }),
    digest_every_steps: z.int().positive().nullable().default(1).meta({
      description:
        'Steps between two digests, which `flotilla compare` reads: the loss, the gradient norm, hashes of the data and of every parameter. null: none.',
      unit: 'steps',
      effect: 'A digest reads every parameter once: on two cores 4 ms of a step with 14 M parameters.',
    }),
    trace_steps: z
      .int()
      .nonnegative()
      .default(2)
      .meta({
        description: 'Steps whose launches are recorded in trace.json.',
        unit: 'steps',
        also: ['profile_steps', 'profile_step_end'],
      }),
  })
  .prefault({})
  .meta({ description: 'What a run writes besides checkpoints.' });
