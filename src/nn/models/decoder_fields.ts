/** Fields of `config.model` that every decoder has, and those of decoders with rotary positions. */
import { z } from 'zod';
import { ropeScaling } from './rope_scaling.js';

export const context = z
  .int()
  .positive()
  .default(256)
  .meta({
    description: 'Longest sequence the model reads, and the length of every training sequence.',
    unit: 'tokens',
    effect: 'Attention time grows with its square.',
    flag: true,
    also: [
      'seq_length',
      'seq_len',
      'sequence_length',
      'max_seq_len',
      'max_seq_length',
      'block_size',
      'n_ctx',
      'n_positions',
      'context_length',
      'max_position_embeddings',
    ],
  });

export const vocab = z
  .int()
  .min(2)
  .nullable()
  .default(null)
  .meta({
    description: 'Rows of the embedding. null: as many as the tokenizer has tokens.',
    unit: 'tokens',
    also: ['vocab_size', 'n_vocab', 'padded_vocab_size'],
  });

export const decoderFields = {
  layers: z
    .int()
    .positive()
    .max(1024)
    .default(6)
    .meta({
      description: 'Transformer blocks.',
      unit: 'blocks',
      effect: 'Time, parameters and activation bytes grow with it.',
      flag: true,
      also: ['num_layers', 'n_layer', 'n_layers', 'num_hidden_layers', 'depth'],
    }),
  dim: z
    .int()
    .positive()
    .default(384)
    .meta({
      description: 'Width of the residual stream (hidden size). A multiple of heads.',
      unit: 'features',
      effect: 'Parameters of a block grow with its square.',
      flag: true,
      also: ['hidden_size', 'd_model', 'n_embd', 'embed_dim', 'n_embed', 'model_dim', 'width'],
    }),
  heads: z
    .int()
    .positive()
    .default(6)
    .meta({
      description: 'Attention (query) heads.',
      unit: 'heads',
      effect: 'A head has dim / heads features; tensor parallelism splits heads, evenly or not.',
      flag: true,
      also: ['num_attention_heads', 'n_head', 'n_heads', 'num_heads', 'nhead'],
    }),
  window: z
    .int()
    .nonnegative()
    .default(0)
    .meta({
      description:
        'Tokens that a token attends to: itself and those right before it (sliding window). 0: all before it.',
      unit: 'tokens',
      effect: 'Attention time grows with context · window; what lies further back is reached through several layers.',
      also: ['sliding_window', 'sliding_window_size', 'window_size', 'attention_window', 'window_attn_size'],
    }),
  sinks: z
    .boolean()
    .default(false)
    .meta({
      description:
        'A learned logit a head beside those of the tokens: what a token takes of nobody (attention sinks, gpt-oss).',
      also: ['attention_sinks', 'use_sinks', 'softmax_off_by_one', 'learnable_sink'],
    }),
  context,
  vocab,
};

/** Names of the width inside the MLP elsewhere. */
export const hiddenNames = ['ffn_hidden_size', 'intermediate_size', 'n_inner', 'd_ff', 'ffn_dim', 'dim_feedforward'];

/** Of models with rotary positions, SwiGLU and grouped heads. */
export const rotaryFields = {
  kv_heads: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description: 'Key and value heads, each shared by heads / kv_heads query heads. null: as many as heads.',
      unit: 'heads',
      effect: 'Fewer: a smaller key/value cache and projection (grouped-query attention, Ainslie et al. 2023).',
      also: ['num_key_value_heads', 'n_kv_heads', 'n_kv_head', 'num_kv_heads', 'num_query_groups'],
    }),
  hidden: z.int().positive().nullable().default(null).meta({
    description: 'Width inside the MLP (ffn_hidden_size). null: 8/3 · dim, rounded up to a multiple of 64.',
    unit: 'features',
    also: hiddenNames,
  }),
  rope_scaling: ropeScaling,
};

/** What follows from other sizes where positions are rotary, SwiGLU stands between and heads are grouped. */
export const completeRotary = (fields: {
  readonly dim: number;
  readonly heads: number;
  readonly kv_heads: number | null;
  readonly hidden: number | null;
}) => ({
  kv_heads: fields.kv_heads ?? fields.heads,
  hidden: fields.hidden ?? 64 * Math.ceil((8 * fields.dim) / 3 / 64),
});

/** Base of the rotary frequencies. `value`: the family's default. */
export const ropeBase = (value: number) =>
  z
    .number()
    .positive()
    .default(value)
    .meta({
      description: 'Base of the rotary frequencies (rope_theta).',
      unit: 'ratio',
      effect: 'Larger: positions further apart stay distinguishable.',
      also: ['rope_theta', 'rotary_base', 'theta'],
    });
