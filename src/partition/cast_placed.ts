/** Casts that are put in a placed graph: of values as they lie. */
import type { Source } from '../ir/graph.js';
import { opNamed, type OpRegistry } from '../ir/op.js';
import { namesOf } from '../ir/type.js';
import type { PlacedOp, PlacedValue } from './placed.js';

/** From a value to one that lies alike in another element type. Of a partial one each addend is cast by itself. */
export function castPlaced(registry: OpRegistry, from: PlacedValue, to: PlacedValue, source: Source): PlacedOp {
  const { splits, partial } = from.layout;
  const axes = Object.keys(partial);
  const op = axes.length > 0 ? 'cast_addends' : 'cast';
  const attributes = { dtype: to.type.dtype };
  const { rule } = opNamed(registry, op).bind({ operands: [from.type], names: [namesOf(from.type)], attributes });
  const through = Object.fromEntries(axes.map((axis) => [axis, 0]));
  const assignment = { splits, through };
  return { kind: 'op', op, rule, attributes, assignment, inputs: [from.id], outputs: [to.id], source, group: to.group };
}
