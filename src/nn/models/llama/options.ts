/** Options of Llama: what `config.model` may say of it. */
import { z } from 'zod';
import { completeRotary, decoderFields, ropeBase, rotaryFields } from '../decoder_fields.js';
import type { Family, ModelOptions, ModelSizes } from '../family.js';
import { headConflicts } from '../head_conflicts.js';
import { scalingConflicts } from '../rope_scaling.js';

const schema = z.strictObject({
  family: z.literal('llama').meta({ description: 'Llama: RMSNorm, SwiGLU, rotary positions, no biases.' }),
  ...decoderFields,
  ...rotaryFields,
  rope_base: ropeBase(10_000),
  eps: z
    .number()
    .positive()
    .default(1e-5)
    .meta({
      description: 'Added to the mean square inside RMSNorm.',
      unit: 'ratio',
      also: ['rms_norm_eps', 'norm_eps', 'norm_epsilon', 'layernorm_epsilon'],
    }),
  tied: z
    .boolean()
    .default(false)
    .meta({
      description: 'Whether the output head reads its weight from the token embedding.',
      effect: 'Tied: vocab · dim fewer parameters, and with pipeline stages one more exchange a step.',
      also: ['tie_word_embeddings', 'weight_tying', 'tie_embeddings'],
    }),
});

export const llamaFamily: Family<typeof schema> = {
  schema,
  conflicts: (fields) => [...headConflicts(fields, { rotary: true }), ...scalingConflicts(fields.rope_scaling)],
  // Rotary positions turn pairs.
  widthStep: ({ heads }) => 2 * heads,
  complete: (fields) => ({ ...fields, ...completeRotary(fields) }),
};

export type LlamaOptions = ModelOptions<typeof schema>;
export type LlamaSizes = ModelSizes<typeof schema>;
