/**
 * The serial step by the engine of a run, where it is too large to be computed here: on one rank, once in f64, and some times in the run's own
 * types, which says how far rounding takes a value; each time but the first from parameters that are changed at random by as much as rounding
 * changes them. Of equal batches the step has the run's own values, whatever splits these.
 */
import { decode, encode } from '../../engine/host_array.js';
import type { DType } from '../../ir/dtype.js';
import type { DecomposedMeanings } from '../../ir/decomposed_meaning.js';
import { describeModel } from '../../plan/describe_model.js';
import { planOfSizes } from '../../plan/parallel_sizes.js';
import type { Plan } from '../../plan/plan.js';
import type { LanguageModel } from '../../nn/language_model.js';
import { bytesFrom, elementsFrom } from '../../run/blocks.js';
import type { Counters } from '../../train/counters.js';
import { meaningsOf, type MeaningOf } from './meanings.js';
import { ReplayedRun, type ReplayRequest, type WholeState, type WholeTensor } from './replayed_run.js';
import type { Rounding, Variants } from './rounding.js';
import type { ValueOfStep } from './serial_step.js';
import { WrittenValues } from './written_values.js';

interface NativeSerial {
  readonly meanings: DecomposedMeanings;
  readonly meaningOf: MeaningOf;
  readonly rounding: Rounding;
}

/** What a run's values come to serially, as far as the step on one rank has them. */
export async function nativeSerial(
  request: ReplayRequest,
  from: { readonly state: WholeState; readonly begins: Counters; readonly index: number },
  { meanings, meaningOf, rounding }: NativeSerial,
): Promise<(value: ValueOfStep) => Variants | null> {
  const { plan, model } = request;
  const wide: Plan['precision'] = { compute: 'f64', master: 'f64' };
  const all = [await valuesOf({ ...request, plan: onOneRank(plan, model, wide) }, from, meanings)];
  const own = { ...request, plan: onOneRank(plan, model, plan.precision) };
  for (let k = 0; k < rounding.times; k++) {
    const state = k === 0 ? from.state : changed(from.state, plan.precision.compute, rounding);
    all.push(await valuesOf(own, { ...from, state }, meanings));
  }
  return (value) => {
    const key = meaningOf(value);
    return all.every((values) => values.has(key)) ? rounding.each((k) => all[k].get(key)!) : null;
  };
}

/** Parameters as rounding to the type that ops compute in may leave them. */
function changed({ tensors, updates }: WholeState, compute: DType, rounding: Rounding): WholeState {
  const change = ({ dtype, bytes, isParameter }: WholeTensor): WholeTensor => {
    if (!isParameter) return { dtype, bytes, isParameter };
    const elements = rounding.on(decode(dtype, elementsFrom(dtype, bytes)), compute);
    return { dtype, bytes: bytesFrom(encode(dtype, elements)), isParameter };
  };
  return { tensors: new Map([...tensors].map(([name, tensor]) => [name, change(tensor)])), updates };
}

/** A plan on one rank that takes as much at a time as another: what is of one microbatch there is so here. */
export function onOneRank({ batch, schedule }: Plan, model: LanguageModel, precision: Plan['precision']): Plan {
  const { microbatches } = schedule;
  const sequences = batch.sequences * microbatches;
  const serial = planOfSizes({}, 1, describeModel(model), { sequences, microbatch: batch.sequences }, precision);
  return { ...serial, batch, schedule: { ...serial.schedule, microbatches } };
}

async function valuesOf(
  request: ReplayRequest,
  { state, begins, index }: Parameters<typeof nativeSerial>[1],
  meanings: DecomposedMeanings,
): Promise<ReadonlyMap<string, Float64Array>> {
  const run = await ReplayedRun.open(request);
  try {
    await run.take(state, begins);
    const { program, placed } = run.programs.training;
    const written = new WrittenValues(program, placed);
    await run.watch(index, (one) => written.add(one));
    const meaningOf = meaningsOf(placed, meanings);
    const values = new Map<string, Float64Array>();
    for (const [value, { blocks }] of written.entries()) {
      // The update's are few, and computed here.
      if (value.graph === 'step') values.set(meaningOf(value), blocks.get(0)!.block);
    }
    return values;
  } finally {
    await run.close();
  }
}
