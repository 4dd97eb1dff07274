/** Options of Mixtral: what `config.model` may say of it. */
import { z } from 'zod';
import { divisorsNear } from '../../../options/divisors.js';
import { usualCapacity } from '../../mixture.js';
import { completeRotary, decoderFields, ropeBase, rotaryFields } from '../decoder_fields.js';
import type { Family, ModelOptions, ModelSizes } from '../family.js';
import { headConflicts } from '../head_conflicts.js';
import { scalingConflicts } from '../rope_scaling.js';

const schema = z.strictObject({
  family: z.literal('mixtral').meta({ description: 'Mixtral: Llama with mixtures of experts.' }),
  ...decoderFields,
  ...rotaryFields,
  rope_base: ropeBase(1e6),
  experts: z
    .int()
    .positive()
    .default(8)
    .meta({
      description: 'Experts of a layer.',
      unit: 'experts',
      also: ['num_experts', 'n_experts', 'num_local_experts', 'n_routed_experts', 'moe_num_experts'],
    }),
  choices: z
    .int()
    .positive()
    .default(2)
    .meta({
      description: 'Experts that each token is sent to (top_k). At most experts.',
      unit: 'experts',
      also: ['top_k', 'num_experts_per_tok', 'moe_router_topk', 'moe_top_k', 'n_activated_experts'],
    }),
  capacity_factor: z
    .number()
    .positive()
    .default(usualCapacity)
    .meta({
      description: 'Places in an expert’s buffer, over those that even routing needs.',
      unit: 'ratio',
      effect: 'Smaller: less time and memory, more choices dropped.',
      also: ['moe_expert_capacity_factor', 'expert_capacity_factor', 'train_capacity_factor'],
    }),
  token_groups: z
    .int()
    .positive()
    .default(1)
    .meta({
      description:
        'Runs of equal length in which each sequence is cut; tokens of a run have places in the experts’ buffers of their own. Divides context.',
      unit: 'runs',
      effect:
        'Larger: ranks that share a sequence send experts their own tokens alone (with context_parallel_size N as a multiple of N, and of 2 N ' +
        'where context_parallel_load_balancer is headtail); more choices dropped where a run is one-sided.',
      also: ['num_groups'],
    }),
  balance: z
    .number()
    .nonnegative()
    .default(0.01)
    .meta({
      description:
        'Weight of the routers’ balance loss (Fedus et al. 2022), a mean over logical microbatches and layers, which is trained on beside the ' +
        'cross-entropy and is part of no loss that is shown.',
      unit: 'ratio',
      also: ['moe_aux_loss_coeff', 'router_aux_loss_coef', 'aux_loss_coef', 'load_balance_loss_coef'],
    }),
  z_loss: z
    .number()
    .nonnegative()
    .default(0)
    .meta({
      description:
        'Weight of the routers’ z-loss (Zoph et al. 2022): the square of the logarithm of what their softmax divides by, a mean over real tokens ' +
        'and layers (Megatron-LM sums over layers). Trained on beside the cross-entropy, and part of no loss that is shown.',
      unit: 'ratio',
      effect: 'Some 0.001: the logits of routers stay small, and training in bf16 steadier.',
      also: ['moe_z_loss_coeff', 'router_z_loss_coef', 'router_z_loss_coeff', 'z_loss_coef'],
    }),
});

export const mixtralFamily: Family<typeof schema> = {
  schema,
  conflicts: (fields) => {
    const { choices, experts } = fields;
    const heads = [...headConflicts(fields, { rotary: true }), ...scalingConflicts(fields.rope_scaling)];
    if (heads.length > 0) return heads;
    const { token_groups: groups, context } = fields;
    return [
      ...(choices <= experts
        ? []
        : [
            {
              options: ['model.choices', 'model.experts'],
              problem: `${choices} choices among ${experts} experts`,
              fix: `set model.choices to ${experts} or less`,
            },
          ]),
      ...(context % groups === 0
        ? []
        : [
            {
              options: ['model.token_groups', 'model.context'],
              problem: `${context} tokens do not divide into ${groups} equal runs`,
              fix: `set model.token_groups to ${divisorsNear(context, groups).join(' or ')}`,
            },
          ]),
    ];
  },
  // Rotary positions turn pairs.
  widthStep: ({ heads }) => 2 * heads,
  complete: (fields) => ({ ...fields, ...completeRotary(fields) }),
};

export type MixtralOptions = ModelOptions<typeof schema>;
export type MixtralSizes = ModelSizes<typeof schema>;
