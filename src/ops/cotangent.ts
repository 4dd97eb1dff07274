/** Fitting a cotangent to the operand it belongs to. */
import type { Tensor } from '../ir/tensor.js';

/** `cotangent` summed over what `operand` was broadcast along, in its order of factors and its element type. */
export function cotangentOf(operand: Tensor, cotangent: Tensor): Tensor {
  return cotangent.transpose(operand.names).cast(operand.dtype);
}

/** `tensor`, repeated along the factors that only `like` has. */
export function broadcastLike(tensor: Tensor, like: Tensor): Tensor {
  const made = like.factors.filter((f) => !tensor.names.includes(f.name));
  if (made.length === 0) return tensor.transpose(like.names);
  return tensor.apply('einsum', [], { to: like.names, names: made.map((f) => f.name), sizes: made.map((f) => f.size) });
}
