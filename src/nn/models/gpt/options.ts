/** Options of GPT: what `config.model` may say of it. */
import { z } from 'zod';
import { decoderFields, hiddenNames } from '../decoder_fields.js';
import type { Family, ModelOptions, ModelSizes } from '../family.js';
import { headConflicts } from '../head_conflicts.js';

const schema = z.strictObject({
  family: z.literal('gpt').meta({ description: 'GPT-2: LayerNorm, GELU, learned positions, tied head.' }),
  ...decoderFields,
  hidden: z.int().positive().nullable().default(null).meta({
    description: 'Width inside the MLP (ffn_hidden_size). null: 4 · dim.',
    unit: 'features',
    also: hiddenNames,
  }),
  positions: z
    .enum(['learned', 'alibi', 'relative'])
    .default('learned')
    .meta({
      description:
        'learned: a vector a place, added to the token’s (GPT-2). alibi: scores fall with the distance, by a slope a head (BLOOM, MPT). relative: learned biases by distance, one table for all blocks (T5).',
      effect: 'alibi, relative: no table of places; sequences longer than those of training can be read.',
      also: [
        'position_embedding_type',
        'pos_emb_type',
        'position_embedding',
        'use_alibi',
        'alibi',
        'relative_attention',
      ],
    }),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .meta({
      description: 'Probability that dropout zeroes an element, in training only.',
      unit: 'probability',
      also: ['hidden_dropout', 'resid_pdrop', 'embd_pdrop', 'attn_pdrop', 'attention_dropout', 'dropout_rate'],
    }),
});

export const gptFamily: Family<typeof schema> = {
  schema,
  conflicts: ({ dim, heads }) => headConflicts({ dim, heads, kv_heads: null }, { rotary: false }),
  widthStep: ({ heads }) => heads,
  complete: (fields) => ({ ...fields, hidden: fields.hidden ?? 4 * fields.dim }),
};

export type GPTOptions = ModelOptions<typeof schema>;
export type GPTSizes = ModelSizes<typeof schema>;
