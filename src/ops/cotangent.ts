/** Fitting a cotangent to the operand it belongs to. */
import type { Tensor } from '../ir/tensor.js';

/** `cotangent` summed over what `operand` was broadcast along, in its order of factors and its element type. */
export function cotangentOf(operand: Tensor, cotangent: Tensor): Tensor {
  return cotangent.transpose(operand.names).exactly(operand.dtype);
}
