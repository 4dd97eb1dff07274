/**
 * Every option of a training run, in groups.
 *
 * `docs/config.md`, `flotilla train --help`, the checks and the TypeScript types are made from this schema. Names are those that Megatron-LM,
 * DeepSpeed and torchtitan use where they have one; `also` lists what other names are answered with ours. The fields of a group stand where
 * the thing is that they set: `nn/models/NAME/options.ts`, `data/options.ts`, `optim/options.ts`, and here in `*_fields.ts`.
 */
import { z } from 'zod';
import { dataSchema } from '../data/options.js';
import type { LanguageModel } from '../nn/language_model.js';
import { optimizerSchema } from '../optim/options.js';
import { reduceDtypes } from '../plan/reduce_dtype.js';
import { optionRows, type OptionRow } from '../options/rows.js';
import { seedField } from '../options/seed_field.js';
import { modelSchema } from './model.js';
import { batch, plan } from './plan_fields.js';
import { checkpoint, evaluation, logging, sample } from './upkeep_fields.js';

export const configSchema = z.strictObject({
  model: modelSchema,
  data: dataSchema,
  optimizer: optimizerSchema,
  batch,
  steps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description: 'Length of the run. null: minutes decides.',
      unit: 'steps',
      flag: true,
      also: [
        'max_steps',
        'train_iters',
        'max_iters',
        'num_steps',
        'iterations',
        'total_steps',
        'train_steps',
        'max_train_steps',
        'epochs',
        'num_train_epochs',
      ],
    }),
  minutes: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description:
        'Length of the run, set-up excluded: after ten timed steps it becomes a number of steps, which the schedule follows. null: steps decides, or 5 where that is not set either.',
      unit: 'minutes',
      flag: true,
      also: ['exit_duration_in_mins', 'max_time', 'time_limit'],
    }),
  precision: z
    .enum(['bf16', 'f32', 'f64'])
    .default('bf16')
    .meta({
      description: 'Element type of activations and matrix products. bf16 keeps f32 master weights and sums in f32.',
      effect: 'bf16: half the bytes of f32, and faster where the hardware has it.',
      flag: true,
      also: ['dtype', 'torch_dtype', 'mixed_precision', 'amp', 'bf16', 'fp16', 'fp32', 'mixed_precision_param'],
    }),
  grad_dtype: z
    .enum(['bf16', 'f32', 'f64'])
    .nullable()
    .default(null)
    .meta({
      description:
        'Element type in which gradients are summed over microbatches. bf16: of parameters that ops read in bf16; those of ' +
        'others, gains of norms, stay f32. null: that of the master weights.',
      effect:
        'bf16: 2 bytes a parameter less, and half the traffic of gradients; sums are rounded to 8 bits at each microbatch.',
      flag: true,
      also: ['grad_accum_dtype', 'main_grads_dtype', 'accumulate_allreduce_grads_in_fp32'],
    }),
  reduce_dtype: z
    .enum(reduceDtypes)
    .nullable()
    .default(null)
    .meta({
      description:
        'Element type in which gradients are reduced over ranks, whatever they are summed in: each is cast before and back after. ' +
        'null: the type in which each is summed.',
      effect: 'bf16: half the traffic of gradients that are summed in f32; what each rank adds is rounded to 8 bits.',
      flag: true,
      also: ['communication_data_type', 'mixed_precision_reduce', 'grad_reduce_in_fp32', 'bf16_compress_hook'],
    }),
  reproducible: z
    .boolean()
    .default(false)
    .meta({
      description:
        'Whether losses and weights are to be the same to the last bit whatever the data-parallel and pipeline sizes, the schedule and ZeRO: ' +
        'a run may change them and go on. Fixed are tensor, context and expert sizes, batch.microbatch, the build and the kind of machine.',
      effect:
        'Sums of gradients are exact, in f64, and a grad_dtype or reduce_dtype that would round them is refused: 4 bytes a parameter more ' +
        'where a rank keeps them whole, and twice the traffic of f32.',
      flag: true,
      also: [
        'deterministic',
        'deterministic_mode',
        'use_deterministic_algorithms',
        'full_determinism',
        'batch_invariant_mode',
      ],
    }),
  plan,
  engine: z
    .enum(['native', 'reference'])
    .default('native')
    .meta({
      description: 'native runs on libtorch; reference is plain TypeScript, for tiny models and for checking.',
      flag: true,
      also: ['backend'],
    }),
  device: z
    .enum(['auto', 'cpu', 'cuda'])
    .default('auto')
    .meta({
      description: 'Where the native engine computes. auto: cuda where there is a GPU, else cpu.',
      flag: true,
      also: ['accelerator', 'devices'],
    }),
  ranks: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description:
        'Processes, one a device. null: those the plan needs; where any number will do, one for each GPU, or two on the CPU. Under another launcher, torchrun and the like: null, or as many as it starts.',
      unit: 'ranks',
      flag: true,
      also: ['nproc_per_node', 'world_size', 'num_gpus', 'num_processes', 'nproc', 'num_devices'],
    }),
  threads: z
    .int()
    .positive()
    .max(1024)
    .nullable()
    .default(null)
    .meta({
      description: 'Threads of each rank on a CPU. null: the cores divided by the ranks on this machine.',
      unit: 'threads',
      flag: true,
      also: ['num_threads', 'omp_num_threads', 'cpus_per_task'],
    }),
  overcommit: z.boolean().default(false).meta({
    description: 'Start also where the ranks here are predicted to need more memory than this machine has.',
    effect: 'The system may then end a rank at any time.',
    flag: true,
  }),
  seed: seedField.default(0).meta({
    description: 'Of initial weights and dropout. Results do not depend on the plan.',
    unit: 'seed',
    flag: true,
    also: ['random_seed', 'manual_seed'],
  }),
  evaluation,
  checkpoint,
  sample,
  logging,
});

/** A configuration with every field present; `config.json` of a run. */
export type TrainConfig = z.output<typeof configSchema>;

/** A configuration as written: any field may be left out. */
export type TrainConfigInput = z.input<typeof configSchema>;

/** An object of a TypeScript config that can say what it is as plain data. */
export interface ConfigObject {
  toConfig(): object;
}

/** What `train()` takes and a TypeScript config exports: plain data, in which the model, data and optimizer may also be objects. */
export type TrainOptions = Omit<TrainConfigInput, 'model' | 'data' | 'optimizer'> & {
  readonly model?: TrainConfigInput['model'] | LanguageModel | ConfigObject;
  readonly data?: TrainConfigInput['data'] | ConfigObject;
  readonly optimizer?: TrainConfigInput['optimizer'] | ConfigObject;
};

/** All options, each group before its fields, in the order of the schema. */
export const describeOptions = (): readonly OptionRow[] => (rows ??= optionRows(configSchema));

/** Made once, when first asked for: that takes some ten milliseconds. */
let rows: readonly OptionRow[] | null = null;
