/** `rope_scaling` of models with rotary positions, in the words of Hugging Face. */
import { z } from 'zod';
import type { Conflict } from '../../options/diagnostics.js';
import { ropeTypes, type RotaryScaling } from '../rotary.js';

export const ropeScaling = z
  .strictObject({
    rope_type: z
      .enum(ropeTypes)
      .default('default')
      .meta({
        description:
          'How rotary frequencies are scaled. default: not at all. linear: all divided by factor. ntk_by_parts: the slow ones. yarn: these by its own ramp, scores made sharper. llama3: as Llama 3.1.',
        also: ['type', 'rope_scaling_type', 'rotary_scaling_type'],
      }),
    factor: z
      .number()
      .min(1)
      .default(1)
      .meta({
        description: 'How many times further positions reach than in the training before.',
        unit: 'ratio',
        also: ['rope_scaling_factor', 'rotary_scaling_factor', 'seq_len_interpolation_factor'],
      }),
    original_max_position_embeddings: z
      .int()
      .positive()
      .nullable()
      .default(null)
      .meta({
        description: 'Positions of the training before. null: context.',
        unit: 'tokens',
        also: ['original_max_position', 'original_context_length', 'yarn_original_max_position_embeddings'],
      }),
    beta_fast: z
      .number()
      .positive()
      .default(32)
      .meta({
        description: 'ntk_by_parts, yarn: a frequency that turns as often within the original positions is kept.',
        unit: 'turns',
        also: ['yarn_beta_fast'],
      }),
    beta_slow: z
      .number()
      .positive()
      .default(1)
      .meta({
        description: 'ntk_by_parts, yarn: one that turns no more than this is divided by factor.',
        unit: 'turns',
        also: ['yarn_beta_slow'],
      }),
    attention_factor: z.number().positive().nullable().default(null).meta({
      description: 'yarn: what queries and keys are multiplied by. null: 0.1 · ln factor + 1.',
      unit: 'ratio',
    }),
    truncate: z.boolean().default(true).meta({
      description: 'yarn: whether the ends of its ramp are whole numbers.',
    }),
    low_freq_factor: z.number().positive().default(1).meta({
      description: 'llama3: as beta_slow.',
      unit: 'turns',
    }),
    high_freq_factor: z.number().positive().default(4).meta({
      description: 'llama3: as beta_fast.',
      unit: 'turns',
    }),
  })
  .prefault({})
  .meta({ description: 'Rotary positions that reach further.', also: ['rope_parameters'] });

type Scaling = z.output<typeof ropeScaling>;

/** Fields that contradict each other. */
export function scalingConflicts(scaling: Scaling): readonly Conflict[] {
  const named = (name: keyof Scaling) => `model.rope_scaling.${name}`;
  if (scaling.rope_type === 'default' && scaling.factor !== 1)
    return [
      {
        options: [named('factor'), named('rope_type')],
        problem: `a factor of ${scaling.factor} without a way to scale`,
        fix: `set ${named('rope_type')} to ${ropeTypes.slice(1).join(', ')}, or ${named('factor')} to 1`,
      },
    ];
  if (scaling.rope_type === 'default' || scaling.rope_type === 'linear') return [];
  const [low, high] =
    scaling.rope_type === 'llama3'
      ? (['low_freq_factor', 'high_freq_factor'] as const)
      : (['beta_slow', 'beta_fast'] as const);
  if (scaling[low] < scaling[high]) return [];
  return [
    {
      options: [named(low), named(high)],
      problem: `a ramp that rises from ${scaling[low]} to ${scaling[high]} turns`,
      fix: `set ${named(low)} below ${named(high)}`,
    },
  ];
}

/** As layers take it. */
export const ropeScalingOf = (sizes: { readonly rope_scaling: Scaling; readonly context: number }): RotaryScaling => ({
  ...sizes.rope_scaling,
  original_max_position_embeddings: sizes.rope_scaling.original_max_position_embeddings ?? sizes.context,
});
