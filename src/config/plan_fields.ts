/** Fields of `batch` and `plan`: how many sequences make a step, and who computes them. */
import { z } from 'zod';
import { contextBalancers, activationCheckpoints } from '../plan/parallel_sizes.js';
import { contextMethods, contextMethodsElsewhere } from '../plan/context_methods.js';
import { gradientReductions } from '../plan/plan.js';
import { scheduleKinds, schedulesElsewhere } from '../schedule/kinds.js';

export const batch = z
  .strictObject({
    sequences: z
      .int()
      .positive()
      .default(64)
      .meta({
        description: 'Sequences in one step, over all ranks (global batch size). A multiple of microbatch.',
        unit: 'sequences',
        effect: 'Larger: less noise in the gradient, more time a step.',
        flag: true,
        also: ['batch_size', 'global_batch_size', 'train_batch_size'],
      }),
    microbatch: z
      .int()
      .positive()
      .default(8)
      .meta({
        description: 'Sequences in one logical microbatch: what the pipeline schedules and gradients accumulate over.',
        unit: 'sequences',
        effect: 'Halved: half the activation bytes, twice the kernel launches.',
        flag: true,
        also: [
          'micro_batch_size',
          'microbatch_size',
          'train_micro_batch_size',
          'train_micro_batch_size_per_gpu',
          'local_batch_size',
        ],
      }),
  })
  .prefault({})
  .meta({ description: 'How many sequences make a step.', also: ['training'] });

const planSizes = z.strictObject({
  data_parallel_size: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description: 'Replicas of the model, each with its share of the batch. null: as many as the ranks allow.',
      unit: 'ranks',
      flag: true,
      also: ['dp', 'data_parallel_degree', 'dp_size'],
    }),
  tensor_parallel_size: z
    .int()
    .positive()
    .default(1)
    .meta({
      description:
        'Ranks that share every layer, split over heads and MLP features. More of them than key/value heads share these.',
      unit: 'ranks',
      flag: true,
      also: [
        'tp',
        'tensor_model_parallel_size',
        'tensor_parallel_degree',
        'tensor_parallel',
        'model_parallel_size',
        'tp_size',
      ],
    }),
  context_parallel_size: z
    .int()
    .positive()
    .default(1)
    .meta({
      description: 'Ranks that share each sequence: each has a run of its tokens.',
      unit: 'ranks',
      effect:
        'Doubled: half the activations of a sequence on each rank; parameters are as many, and twice as many ranks have them.',
      flag: true,
      also: [
        'cp',
        'context_parallel_degree',
        'cp_size',
        'sequence_parallel_size',
        'sequence_parallel_degree',
        'sp_size',
        'ulysses_sequence_parallel_size',
      ],
    }),
  context_parallel_method: z
    .enum(contextMethods)
    .nullable()
    .default(null)
    .meta({
      description:
        'How ranks that share a sequence attend to all of it (null: allgather). allgather: each for its own tokens, to keys and values of all. ulysses: each for ' +
        'its share of the heads, to which queries, keys, values and results are exchanged. ring: each for its own tokens, to keys and values ' +
        'that go from rank to rank. ulysses+ring: heads are exchanged among as many neighbours as there are heads for, and rings go across.',
      effect:
        'ulysses: fewer bytes travel on many ranks, and no rank holds all keys; it needs a key/value head for each of them. ring: as many bytes ' +
        'as allgather, a part at a time, under the attention of the part before; no rank holds all keys.',
      flag: true,
      also: ['cp_comm_type', 'context_parallel_rotate_method', 'cp_method'],
      choicesElsewhere: contextMethodsElsewhere,
    }),
  context_parallel_load_balancer: z
    .enum(contextBalancers)
    .nullable()
    .default(null)
    .meta({
      description:
        'How tokens are dealt out to ranks that share a sequence. headtail: each has a run of the head and one of the tail, for allgather and ring, ' +
        'where all attention is causal and without a window; none: the first has the first run, and so on. null: headtail where it has a meaning.',
      effect:
        'headtail: under a causal mask all ranks have equally much to do; by none the last of many has twice as much as on the average.',
      flag: true,
      also: ['cp_load_balancer', 'enable_load_balance'],
    }),
  sequence_parallel: z
    .boolean()
    .default(false)
    .meta({
      description:
        'Whether tensor-parallel ranks share the sequence in norms, dropout and residual sums, which each of them does whole otherwise. What ' +
        'products read whole is gathered again for the backward.',
      effect:
        'true: these activations are divided by tensor_parallel_size; as many bytes travel, in gathers and scatters.',
      flag: true,
      also: ['sp', 'enable_sequence_parallel'],
    }),
  expert_parallel_size: z
    .int()
    .positive()
    .default(1)
    .meta({
      description:
        'Neighbouring data-parallel ranks that each have experts of their own, to which the tokens of all of them are sent. Divides ' +
        'data_parallel_size, or is that times a divisor of context_parallel_size: then so many neighbours that share sequences have experts of ' +
        'their own too, and model.token_groups says whether their tokens are exchanged or gathered.',
      unit: 'ranks',
      effect: 'Doubled: half the experts on each rank, and tokens travel among twice as many.',
      flag: true,
      also: ['ep', 'expert_model_parallel_size', 'expert_parallel_degree', 'ep_size', 'moe_expert_parallel_size'],
    }),
  expert_tensor_parallel_size: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description:
        'Tensor-parallel ranks that share each expert, whose features they divide; the others have experts of their own. null: with ' +
        'expert_parallel_size all of them, else as few as there are experts for. Divides tensor_parallel_size, or is that times a divisor of ' +
        'context_parallel_size: then neighbours that share sequences share experts too, and gather the tokens that are sent to these.',
      unit: 'ranks',
      effect: 'Halved: experts in larger pieces, twice as many of them apart, as many bytes on each rank.',
      flag: true,
      also: ['etp', 'expert_tensor_parallel_degree', 'moe_expert_tensor_parallel_size'],
    }),
  pipeline_parallel_size: z
    .int()
    .positive()
    .default(1)
    .meta({
      description: 'Groups of ranks in a pipeline, each with a run of the layers, or with several (virtual_stages).',
      unit: 'groups',
      flag: true,
      also: ['pp', 'pipeline_model_parallel_size', 'pipeline_parallel_degree', 'pipeline_parallel', 'pp_size'],
    }),
  pipeline_schedule: z
    .enum([...scheduleKinds.keys()])
    .nullable()
    .default(null)
    .meta({
      description:
        'The order in which groups run microbatches (docs/schedules.md). null: 1f1b, or interleaved where virtual_stages is more than 1.',
      effect:
        'Interleaved and zero-bubble schedules wait less at the start and the end of a step, and keep more activations.',
      flag: true,
      also: ['pipeline_parallel_schedule', 'pp_schedule'],
      choicesElsewhere: schedulesElsewhere,
    }),
  pipeline_schedule_file: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .meta({
      description:
        "A schedule of your own: a table of slots in Flotilla's form or PyTorch's CSV, in place of pipeline_schedule. null: none.",
      flag: true,
      also: ['pipeline_parallel_schedule_csv'],
    }),
  virtual_stages: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description: 'Chunks of the model on each group. null: as the schedule has them.',
      unit: 'chunks',
      effect: 'Doubled: about half of the bubble of an interleaved schedule, twice the messages.',
      flag: true,
      also: ['virtual_pipeline_model_parallel_size', 'num_virtual_stages_per_pipeline_rank', 'vpp', 'vp_size'],
    }),
  stage_layers: z
    .array(z.int().nonnegative())
    .min(1)
    .nullable()
    .default(null)
    .meta({
      description:
        'Layers of each chunk, first to last; the embedding goes with the first, the head with the last. null: as even as can be.',
      unit: 'layers',
      example: [3, 4, 5],
      also: [
        'pipeline_model_parallel_layout',
        'num_layers_per_virtual_pipeline_stage',
        'pipeline_parallel_split_points',
      ],
    }),
  zero_stage: z
    .int()
    .min(0)
    .max(3)
    .default(0)
    .meta({
      description:
        'What data-parallel ranks divide among them: 0 nothing, 1 optimizer state and the update, 2 the sums of gradients too, ' +
        '3 parameters too.',
      unit: 'stage',
      effect:
        '1: 8 bytes a parameter less on each rank but its share; 2: 4 more, gradients are reduced for each microbatch; 3: 4 more, ' +
        'parameters are gathered for each layer in each direction.',
      flag: true,
      also: ['zero', 'zero_optimization', 'stage', 'fsdp', 'use_distributed_optimizer', 'sharding_strategy'],
    }),
  shard_size: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description:
        'At zero_stage 1 to 3, how many neighbouring data-parallel ranks divide among them; what they have together is replicated over the ' +
        'others (hybrid sharding, HSDP). Divides data_parallel_size. null: all of them.',
      unit: 'ranks',
      effect:
        'Halved: each rank keeps twice as much of what is divided, and weights are gathered among half as many ranks; gradients cross ' +
        'between replicas once a step, in shards.',
      flag: true,
      also: ['dp_shard', 'hsdp', 'hybrid_shard', 'mics_shard_size'],
    }),
  reshard_after_forward: z
    .boolean()
    .nullable()
    .default(null)
    .meta({
      description:
        'At zero_stage 3, whether gathered parameters are let go after the forward and gathered again for the backward; false: gathered once ' +
        'a step. null: true, and false in a pipeline.',
      effect: 'false: parameters are there whole during the step, and travel once a step.',
      flag: true,
      also: ['fsdp_reshard_after_forward'],
    }),
  prefetch: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .meta({
      description:
        'At zero_stage 3, how many layers ahead parameters are gathered, from one direction or microbatch to the next too. null: 1.',
      unit: 'layers',
      effect: 'One more: the parameters of one more layer are there whole, and their gather has longer to hide.',
      flag: true,
      also: ['forward_prefetch', 'backward_prefetch'],
    }),
  activation_checkpoint: z
    .enum([...activationCheckpoints])
    .default('none')
    .meta({
      description:
        'What the backward of a layer makes again instead of keeping it: nothing, all of it (full), or what is cheap to make (selective: ' +
        'not products, attention and what was sent).',
      effect:
        'full: of each microbatch under way a layer keeps its input alone, and a step computes a third more. selective: in between, at little cost. ' +
        'The numbers stay the same.',
      flag: true,
      also: [
        'activation_checkpointing',
        'gradient_checkpointing',
        'recompute_granularity',
        'recompute_activations',
        'selective_ac_option',
      ],
    }),
  persistence_threshold: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .meta({
      description: 'At zero_stage 3, parameters of fewer elements than this are not gathered for each layer. null: 0.',
      unit: 'elements',
      effect: 'Larger: fewer small gathers; what is small stays whole on each rank, in the type that ops compute in.',
      flag: true,
      also: ['stage3_param_persistence_threshold', 'param_persistence_threshold'],
    }),
  reduce_gradients: z
    .enum(gradientReductions)
    .nullable()
    .default(null)
    .meta({
      description:
        'Whether gradients are reduced over the data-parallel ranks for each microbatch, or once a step, with the last. null: last at zero_stage ' +
        '0 and 1, each at 2 and 3.',
      effect:
        'last: they travel once a step, and at any stage each rank keeps a whole sum of its own until then. each: they travel for each microbatch, ' +
        'and from zero_stage 1 on each rank keeps its share of the sums.',
      flag: true,
      also: ['no_sync', 'requires_gradient_sync', 'set_requires_gradient_sync'],
    }),
  bucket_bytes: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .meta({
      description:
        'Parameters of a rank that are gathered, reduced and updated together at most; one that is larger goes alone. null: whole layers, ' +
        'until they are 8 MB.',
      unit: 'bytes',
      effect: 'Smaller: more and smaller collectives, which begin earlier. At stage 3 no larger than a layer.',
      flag: true,
      also: ['bucket_cap_mb', 'ddp_bucket_size', 'reduce_bucket_size', 'allgather_bucket_size'],
    }),
});

export const plan = z
  .union([z.string().min(1), planSizes])
  .default('auto')
  .meta({
    description: "'auto' (data parallelism over all ranks), the path of a plan file, or sizes.",
    flag: true,
    also: ['parallelism', 'parallel', 'distributed', 'strategy'],
  });
