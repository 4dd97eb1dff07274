/**
 * Every option of a training run: its meaning, unit, default and range, once.
 *
 * `docs/config.md`, `flotilla train --help`, the JSON schema, the checks and the TypeScript types are made from this table. Names are
 * those that Megatron-LM, DeepSpeed and torchtitan use where they have one.
 */
import { z } from 'zod';
import type { TextSource } from '../data/source.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { AdamW } from '../optim/adamw.js';

const seedField = z
  .int()
  .nonnegative()
  .max(2 ** 32 - 1);

const sharedModelFields = {
  layers: z.int().positive().default(6).meta({
    description: 'Transformer blocks.',
    unit: 'blocks',
    effect: 'Time, parameters and activation bytes grow with it.',
    flag: true,
  }),
  dim: z.int().positive().default(384).meta({
    description: 'Width of the residual stream (hidden size). A multiple of heads.',
    unit: 'features',
    effect: 'Parameters of a block grow with its square.',
    flag: true,
  }),
  heads: z.int().positive().default(6).meta({
    description: 'Attention (query) heads.',
    unit: 'heads',
    effect: 'A head has dim / heads features; tensor parallelism splits heads, evenly or not.',
    flag: true,
  }),
  context: z.int().positive().default(256).meta({
    description: 'Longest sequence the model reads, and the length of every training sequence.',
    unit: 'tokens',
    effect: 'Attention time grows with its square.',
    flag: true,
  }),
  vocab: z.int().min(2).nullable().default(null).meta({
    description: 'Rows of the embedding. null: as many as the tokenizer has tokens.',
    unit: 'tokens',
  }),
};

const gptModel = z.strictObject({
  family: z.literal('gpt').meta({ description: 'GPT-2: LayerNorm, GELU, learned positions, tied head.' }),
  ...sharedModelFields,
  hidden: z.int().positive().nullable().default(null).meta({
    description: 'Width inside the MLP (ffn_hidden_size). null: 4 · dim.',
    unit: 'features',
  }),
  dropout: z.number().min(0).lt(1).default(0).meta({
    description: 'Probability that dropout zeroes an element, in training only.',
    unit: 'probability',
  }),
});

/** Of models with rotary positions and SwiGLU. */
const llamaFields = {
  kv_heads: z.int().positive().nullable().default(null).meta({
    description: 'Key and value heads, each shared by heads / kv_heads query heads. null: as many as heads.',
    unit: 'heads',
    effect: 'Fewer: a smaller key/value cache and projection (grouped-query attention, Ainslie et al. 2023).',
  }),
  hidden: z.int().positive().nullable().default(null).meta({
    description: 'Width inside the MLP (ffn_hidden_size). null: 8/3 · dim, rounded up to a multiple of 64.',
    unit: 'features',
  }),
  rope_base: z.number().positive().default(10_000).meta({
    description: 'Base of the rotary frequencies (rope_theta).',
    unit: 'ratio',
    effect: 'Larger: positions further apart stay distinguishable.',
  }),
};

const llamaModel = z.strictObject({
  family: z.literal('llama').meta({ description: 'Llama: RMSNorm, SwiGLU, rotary positions, no biases.' }),
  ...sharedModelFields,
  ...llamaFields,
  eps: z
    .number()
    .positive()
    .default(1e-5)
    .meta({ description: 'Added to the mean square inside RMSNorm.', unit: 'ratio' }),
  tied: z.boolean().default(false).meta({
    description: 'Whether the output head reads its weight from the token embedding.',
    effect: 'Tied: vocab · dim fewer parameters, and with pipeline stages one more exchange a step.',
  }),
});

const mixtralModel = z.strictObject({
  family: z.literal('mixtral').meta({ description: 'Mixtral: Llama with mixtures of experts.' }),
  ...sharedModelFields,
  ...llamaFields,
  experts: z.int().positive().default(8).meta({ description: 'Experts of a layer.', unit: 'experts' }),
  choices: z.int().positive().default(2).meta({
    description: 'Experts that each token is sent to (top_k). At most experts.',
    unit: 'experts',
  }),
  capacity_factor: z.number().positive().default(1.25).meta({
    description: 'Places in an expert’s buffer, over those that even routing needs.',
    unit: 'ratio',
    effect: 'Smaller: less time and memory, more choices dropped.',
  }),
  balance: z.number().nonnegative().default(0.01).meta({
    description:
      'Weight of the routers’ balance loss (Fedus et al. 2022), which is trained on beside the cross-entropy and is part of no loss that is shown.',
    unit: 'ratio',
  }),
});

const customModel = z.strictObject({
  family: z.literal('custom').meta({ description: 'A module of your own, given as an object in a TypeScript config.' }),
  name: z.string().meta({ description: 'The class of the module, for messages.' }),
  module: z.string().nullable().default(null).meta({
    description:
      'The TypeScript config that builds it, read again by resume and generate. null: given to train() itself.',
  }),
  context: sharedModelFields.context,
  vocab: sharedModelFields.vocab,
  options: z.record(z.string(), z.unknown()).default({}).meta({ description: 'What the module was constructed with.' }),
});

const model = z
  .discriminatedUnion('family', [gptModel, llamaModel, mixtralModel, customModel])
  .prefault({ family: 'gpt' })
  .meta({ description: 'The model; in a TypeScript config, an object such as `new models.GPT({ … })`.' });

const data = z
  .strictObject({
    paths: z.array(z.string().min(1)).min(1).nullable().default(null).meta({
      description:
        'Files, folders and globs of text (.txt, .md, .jsonl, source). null: the TypeScript sources that npm installed.',
      flag: true,
    }),
    tokenizer: z
      .strictObject({
        train: z.enum(['bpe']).default('bpe').meta({
          description: 'The tokenizer to train on the text where no file is given: byte-level byte-pair encoding.',
        }),
        vocab: z
          .int()
          .min(257)
          .max(2 ** 24)
          .default(8192)
          .meta({
            description: 'Tokens of a tokenizer that is trained.',
            unit: 'tokens',
            effect: 'Larger: fewer tokens a text, more parameters in the embedding.',
          }),
        min_frequency: z.int().positive().default(2).meta({
          description: 'A pair of symbols seen less often is not merged.',
          unit: 'occurrences',
        }),
        file: z.string().min(1).nullable().default(null).meta({
          description: 'A Hugging Face tokenizer.json to use. null: train one.',
        }),
        separator: z.string().min(1).nullable().default(null).meta({
          description:
            'The token between documents, with file. null: the first usual one it has, such as <|endoftext|>.',
        }),
      })
      .prefault({})
      .meta({ description: 'From text to tokens.' }),
    validation_fraction: z.number().positive().max(0.5).default(0.04).meta({
      description: 'Share of the text, as whole files, that is kept for validation.',
      unit: 'share of bytes',
    }),
    max_bytes: z
      .int()
      .positive()
      .max(2 ** 29 - 25)
      .default(400_000_000)
      .meta({
        description: 'Most text to read; files are then chosen by the hash of their path.',
        unit: 'bytes',
      }),
    field: z.string().min(1).default('text').meta({ description: 'The field of a .jsonl record that holds its text.' }),
    seed: seedField.default(0).meta({
      description: 'Of the order of sequences: the batch of a step is a function of this and the step.',
      unit: 'seed',
    }),
    cache: z.string().min(1).nullable().default(null).meta({
      description:
        'Folder of tokenizers and token files, shared by runs. null: .cache/flotilla in the working directory.',
    }),
  })
  .prefault({})
  .meta({ description: 'What is read; in a TypeScript config, an object such as `data.text("corpus/**/*.md")`.' });

const optimizer = z
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
        'Steps over which the learning rate rises linearly to lr. null: 200, or a tenth of the schedule where that is less.',
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

const batch = z
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

const plan = z
  .union([z.string().min(1), planSizes])
  .default('auto')
  .meta({
    description: "'auto' (data parallelism over all ranks), the path of a plan file, or sizes.",
  });

const evaluation = z
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

const checkpoint = z
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
      description: 'Where they are written. null: checkpoints/ in the run folder.',
    }),
  })
  .prefault({})
  .meta({ description: 'Saving state, so that a run can go on after it ends or fails.' });

const sample = z
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

const logging = z
  .strictObject({
    directory: z.string().min(1).default('runs').meta({ description: 'Folder of run folders.' }),
    name: z.string().min(1).nullable().default(null).meta({
      description: 'Name of the run folder. null: date and time.',
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

export const configSchema = z.strictObject({
  model,
  data,
  optimizer,
  batch,
  steps: z.int().positive().nullable().default(null).meta({
    description: 'Length of the run. null: minutes decides.',
    unit: 'steps',
    flag: true,
  }),
  minutes: z.number().positive().nullable().default(null).meta({
    description:
      'Length of the run, set-up excluded: after ten timed steps it becomes a number of steps, which the schedule follows. null: steps decides, or 5 where that is not set either.',
    unit: 'minutes',
    flag: true,
  }),
  precision: z.enum(['bf16', 'f32', 'f64']).default('bf16').meta({
    description: 'Element type of activations and matrix products. bf16 keeps f32 master weights and sums in f32.',
    effect: 'bf16: half the bytes of f32, and faster where the hardware has it.',
    flag: true,
  }),
  plan,
  engine: z.enum(['native', 'reference']).default('native').meta({
    description: 'native runs on libtorch; reference is plain TypeScript, for tiny models and for checking.',
    flag: true,
  }),
  device: z.enum(['auto', 'cpu', 'cuda']).default('auto').meta({
    description: 'Where the native engine computes. auto: cuda where there is a GPU, else cpu.',
    flag: true,
  }),
  ranks: z.int().positive().nullable().default(null).meta({
    description:
      'Processes, one a device. null: those the plan needs; where any number will do, one for each GPU, or two on the CPU.',
    unit: 'ranks',
    flag: true,
  }),
  threads: z.int().positive().nullable().default(null).meta({
    description: 'Threads of each rank on a CPU. null: the cores divided by the ranks on this machine.',
    unit: 'threads',
    flag: true,
  }),
  seed: seedField.default(0).meta({
    description: 'Of initial weights and dropout. Results do not depend on the plan.',
    unit: 'seed',
    flag: true,
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

/** What `train()` takes and a TypeScript config exports: plain data, in which model, data and optimizer may also be objects. */
export type TrainOptions = Omit<TrainConfigInput, 'model' | 'data' | 'optimizer'> & {
  readonly model?: TrainConfigInput['model'] | LanguageModel | ConfigObject;
  readonly data?: TrainConfigInput['data'] | TextSource | ConfigObject;
  readonly optimizer?: TrainConfigInput['optimizer'] | AdamW | ConfigObject;
};
