/**
 * What the update reduces of gradients, in the type that the plan has for that: from the sums that the step left, through moves and
 * transfers, to the ops that read them.
 *
 *   sum, partial ─cast_addends─▶ ─reduce_scatter─▶ shard ─cast─▶ reader
 *      f32                          bf16                      f32
 *
 * After partition, which has given all that reads such a sum a reduced version of it (`Placement.readReduced`); the moves are those that it
 * chose. What is cast anyhow, a narrow gradient to the parameters' type, is cast once.
 */
import type { DType } from '../ir/dtype.js';
import { castTo, type OpRegistry } from '../ir/op.js';
import { castPlaced } from './cast_placed.js';
import type { PlacedGraph, PlacedId, PlacedStep, PlacedValue } from './placed.js';

/** `reduce`: in which type gradients of another are reduced. */
export function reduceGradients(
  update: PlacedGraph,
  registry: OpRegistry,
  reduce: (gradient: DType) => DType,
): PlacedGraph {
  const values = [...update.values];
  const sums = new Set(
    update.inputs.flatMap(({ role, value }) => {
      const { type, layout } = values[value];
      const isPartial = role.kind === 'gradient' && Object.keys(layout.partial).length > 0;
      return isPartial && reduce(type.dtype) !== type.dtype ? [value] : [];
    }),
  );
  if (sums.size === 0) return update;
  const steps: PlacedStep[] = [];
  /** Sums as they are sent, and what follows from these by moves → the type that their readers know. */
  const sent = new Map<PlacedId, DType>();
  const casts = new Map<PlacedId, PlacedId>();
  /** Casts that there is no more need of → what they would cast. */
  const dropped = new Map<PlacedId, PlacedId>();

  const cast = (id: PlacedId, dtype: DType, reader: PlacedStep): PlacedId => {
    const known = casts.get(id);
    if (known !== undefined) return known;
    const from = values[id];
    const to: PlacedValue = {
      ...from,
      id: values.length,
      name: `${from.name} ${dtype}`,
      type: { ...from.type, dtype },
    };
    values.push(to);
    steps.push(castPlaced(registry, from, to, reader.source));
    casts.set(id, to.id);
    return to.id;
  };

  for (const step of update.steps) {
    const inputs = step.inputs.map((id) => dropped.get(id) ?? id);
    if (step.kind !== 'op') {
      const [from] = inputs;
      const was = sums.has(from) ? values[from].type.dtype : sent.get(step.inputs[0]);
      if (was === undefined) steps.push({ ...step, inputs } as PlacedStep);
      else {
        const dtype = reduce(was);
        const travels = sums.has(from) ? cast(from, dtype, step) : from;
        for (const id of step.outputs) {
          values[id] = { ...values[id], type: { ...values[id].type, dtype } };
          sent.set(id, was);
        }
        steps.push({ ...step, inputs: [travels] } as PlacedStep);
      }
      continue;
    }
    const to = castTo(registry, step);
    if (to !== null && sent.has(step.inputs[0])) {
      if (to === values[step.inputs[0]].type.dtype) dropped.set(step.outputs[0], step.inputs[0]);
      else steps.push(step);
      continue;
    }
    const read = step.inputs.map((id, i) => {
      const dtype = sent.get(id);
      return dtype === undefined ? inputs[i] : cast(id, dtype, step);
    });
    steps.push({ ...step, inputs: read });
  }
  return { ...update, values, steps };
}
