/** Where tokens stand in their sequence. */
import type { Tensor } from '../ir/tensor.js';
import { ModelBuilder } from './model_builder.js';

/**
 * i32 [sequence]: 0, 1, 2, … counted over the whole sequence, whatever a plan splits. Where documents are separate they begin anew in
 * each: [microbatch batch sequence].
 */
export function positionsOf(tokens: Tensor): Tensor {
  const positions = tokens.builder.iota({ name: 'sequence', size: tokens.size('sequence') }, 'i32');
  const documents = tokens.builder instanceof ModelBuilder ? tokens.builder.documents() : null;
  return documents ? positions.sub(documents.starts).transpose(documents.starts.names) : positions;
}
