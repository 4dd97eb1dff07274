/**
 * Of each fault a case in which it is known to show, as `npm run fuzz -- plant NAME` has made it small: `--stored` replays these, and tells of
 * a fault that is no longer found there, because the code has moved away from under it or because what finds it has grown blind.
 */
import type { Fault } from '../../laws/parallel_equals_serial.js';

export interface StoredCase {
  readonly kind: Fault['kind'];
  /** As `--case` takes it. */
  readonly text: string;
}

export const stored: Readonly<Partial<Record<string, StoredCase>>> = {
  loss_of_local_words: { kind: 'differs', text: '{"model":"gpt","meshes":[{"data":1,"tensor":2,"context":2}]}' },
  loss_plus_log_of_ranks: { kind: 'differs', text: '{"model":"gpt","meshes":[{"data":1,"tensor":2,"context":2}]}' },
  local_token_counts: { kind: 'differs', text: '{"meshes":[{"data":2,"tensor":1,"context":1}],"update":true}' },
  router_counts_of_all: { kind: 'differs', text: '{"model":"mixtral","meshes":[{"data":1,"tensor":1,"context":2}]}' },
  norm_of_one_rank: { kind: 'differs', text: '{"meshes":[{"data":1,"tensor":2,"context":1}],"update":true}' },
  bias_of_every_rank: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":2,"context":1}]}',
  },
  bias_gradient_over_ranks: { kind: 'differs', text: '{"meshes":[{"data":1,"tensor":2,"context":1}],"update":true}' },
  expert_gradient_doubled: {
    kind: 'differs',
    text: '{"model":"mixtral","meshes":[{"data":1,"tensor":2,"context":1}],"update":true}',
  },
  shared_input_not_summed: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":2,"context":1}]}',
  },
  context_keys_not_summed: {
    kind: 'differs',
    text: '{"model":"llama","sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  expert_norm_of_one_rank: {
    kind: 'differs',
    text: '{"model":"mixtral","meshes":[{"data":1,"tensor":2,"context":1}],"update":true}',
  },
  balance_over_context: {
    kind: 'differs',
    text: '{"model":"mixtral","zLoss":true,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  replicated_norm_again: { kind: 'differs', text: '{"meshes":[{"data":1,"tensor":2,"context":1}],"update":true}' },
  probability_forgotten: {
    kind: 'differs',
    text: '{"model":"gpt","meshes":[{"data":2,"tensor":2,"context":1}],"again":["all","backward"]}',
  },
  activation_linear: {
    kind: 'differs',
    text: '{"model":"llama","group":2,"sequence":4,"batch":4,"meshes":[{"data":2,"tensor":1,"context":2}],"dataSplits":"microbatch","shard":2,"whim":9}',
  },
  product_jointly_linear: {
    kind: 'differs',
    text: '{"model":"gpt","sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}],"update":true}',
  },
  norm_splits_its_row: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":1,"context":2}],"contextSplits":"dim"}',
  },
  loss_splits_its_words: {
    kind: 'differs',
    text: '{"model":"gpt","sequence":3,"meshes":[{"data":1,"tensor":1,"context":2}],"headTail":true,"whim":2}',
  },
  attention_without_origin: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  positions_without_origin: {
    kind: 'differs',
    text: '{"model":"llama","sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}],"reshards":"backward","whim":1}',
  },
  dropout_without_origin: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"dropout":true,"sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  lookup_without_origin: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":2,"context":1}],"whim":234}',
  },
  sums_by_maximum: { kind: 'differs', text: '{"model":"gpt","meshes":[{"data":1,"tensor":1,"context":2}]}' },
  scatter_by_maximum: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  shards_exchanged: { kind: 'differs', text: '{"meshes":[{"data":2,"tensor":1,"context":1}],"zero":1,"update":true}' },
  blocks_gathered_backwards: {
    kind: 'differs',
    text: '{"meshes":[{"data":2,"tensor":1,"context":1}],"zero":1,"update":true}',
  },
  tokens_to_other_experts: {
    kind: 'differs',
    text: '{"model":"llama","sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}],"whim":7}',
  },
  microbatch_overwrites: { kind: 'differs', text: '{"microbatches":2}' },
  norm_gradients_unsummed: {
    kind: 'differs',
    text: '{"model":"gpt","meshes":[{"data":1,"tensor":2,"context":1}],"update":true}',
  },
  tied_once: { kind: 'differs', text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":1,"context":2}]}' },
  bucket_out_of_the_norm: { kind: 'differs', text: '{"meshes":[{"data":1,"tensor":1,"context":2}],"update":true}' },
  gradient_reduced_twice: {
    kind: 'differs',
    text: '{"meshes":[{"data":2,"tensor":1,"context":1}],"zero":2,"update":true}',
  },
  expert_gradient_over_experts: {
    kind: 'differs',
    text: '{"model":"mixtral","meshes":[{"data":1,"tensor":2,"context":1}],"bucketBytes":1,"update":true}',
  },
  ring_turned_backwards: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"sequence":3,"meshes":[{"data":1,"tensor":1,"context":3}],"contextMethod":"ring"}',
  },
  ring_one_hop_less: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}],"contextMethod":"ring"}',
  },
  made_again_otherwise: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"dropout":true,"again":["cheap","backward"]}',
  },
  attention_from_zero: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  attention_backward_from_zero: {
    kind: 'differs',
    text: '{"model":"llama","sequence":2,"meshes":[{"data":1,"tensor":1,"context":2}]}',
  },
  attention_in_order: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"sequence":4,"meshes":[{"data":1,"tensor":1,"context":2}],"headTail":true}',
  },
  dropout_in_order: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"dropout":true,"sequence":4,"meshes":[{"data":1,"tensor":1,"context":2}],"headTail":true}',
  },
  embedding_from_zero: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"meshes":[{"data":1,"tensor":2,"context":1}],"whim":2}',
  },
  last_of_an_odd_block: {
    kind: 'differs',
    text: '{"model":"gpt","heads":3,"sequence":2,"meshes":[{"data":1,"tensor":2,"context":1}],"sequenceParallel":true}',
  },
  update_of_a_shard: {
    kind: 'differs',
    text: '{"model":"gpt","meshes":[{"data":2,"tensor":1,"context":1}],"zero":1,"update":true}',
  },
  repeated_ids_overwrite: {
    kind: 'differs',
    text: '{"model":"gpt","headDim":2,"sequence":2,"batch":2,"meshes":[{"data":2,"tensor":1,"context":1}]}',
  },
  uneven_shares_as_even: { kind: 'differs', text: '{"batch":3,"meshes":[{"data":2,"tensor":1,"context":1}]}' },
  combine_without_weights: {
    kind: 'differs',
    text: '{"model":"mixtral","logical":2,"meshes":[{"data":2,"tensor":1,"context":1}]}',
  },
};
