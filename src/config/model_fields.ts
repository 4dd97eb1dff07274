/** Fields of `model`: which model, and its sizes. */
import { z } from 'zod';

const sharedModelFields = {
  layers: z.int().positive().max(1024).default(6).meta({
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
};

const ropeBase = (value: number) =>
  z.number().positive().default(value).meta({
    description: 'Base of the rotary frequencies (rope_theta).',
    unit: 'ratio',
    effect: 'Larger: positions further apart stay distinguishable.',
  });

const llamaModel = z.strictObject({
  family: z.literal('llama').meta({ description: 'Llama: RMSNorm, SwiGLU, rotary positions, no biases.' }),
  ...sharedModelFields,
  ...llamaFields,
  rope_base: ropeBase(10_000),
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
  rope_base: ropeBase(1e6),
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
      'The TypeScript file that builds it, read again by resume, generate and explain where this user has trained with it, or with --trust-code. null: a script gave it to train().',
  }),
  context: sharedModelFields.context,
  vocab: sharedModelFields.vocab,
  options: z.record(z.string(), z.unknown()).default({}).meta({ description: 'What the module was constructed with.' }),
});

export const model = z
  .discriminatedUnion('family', [gptModel, llamaModel, mixtralModel, customModel])
  .prefault({ family: 'gpt' })
  .meta({ description: 'The model; in a TypeScript config, an object such as `new models.GPT({ … })`.' });
