/** Where tokens stand in their sequence. */
import type { Tensor } from '../ir/tensor.js';

/** i32 [sequence]: 0, 1, 2, … counted over the whole sequence, whatever a plan splits. */
export function positionsOf(tokens: Tensor): Tensor<['sequence']> {
  return tokens.builder.iota({ name: 'sequence', size: tokens.size('sequence') }, 'i32');
}
