/** Which elements of two letters meet where their parts do in pairs (`paired` of `ir/define_op.ts`). */
import type { Attributes } from '../ir/graph.js';
import { evenBounds } from '../ir/layout.js';
import type { Tensor } from '../ir/tensor.js';

/**
 * Where the index along the second letter lies in the part that the index along the first one meets. The indices are i32 [first] and
 * [second], of `size` elements each.
 */
export function meets(first: Tensor, second: Tensor, size: number, { parts, turn }: Attributes): Tensor {
  const count = parts as number;
  const bounds = evenBounds(size, count);
  const met = (part: number) => (part + (turn as number)) % count;
  /** For each element of the first letter a number of the part that it meets. */
  const ofPart = (number: (part: number) => number): Tensor => {
    let found = first.mul(0).add(number(met(0)));
    for (let part = 1; part < count; part++)
      found = first.ge(first.constant(bounds[part])).where(first.mul(0).add(number(met(part))), found);
    return found;
  };
  const from = second.ge(ofPart((part) => bounds[part]));
  const to = second.lt(ofPart((part) => bounds[part + 1]));
  return from.where(to, to.constant(0));
}
