/** Values of plans by what they mean, so that those of one plan are found among those of another. */
import type { DecomposedMeanings } from '../../ir/decomposed_meaning.js';
import { printType } from '../../ir/type.js';
import { placedMeanings } from '../../partition/check_meaning.js';
import type { PlacedGraphs } from '../../partition/place_graphs.js';
import type { ValueOfStep } from './serial_step.js';

/** Equal texts: the same function of the same things, of as many microbatches, up to rounding. */
export type MeaningOf = (value: ValueOfStep) => string;

/** `meanings`: one for all plans that are compared. */
export function meaningsOf({ step, update, buckets }: PlacedGraphs, meanings: DecomposedMeanings): MeaningOf {
  const of = {
    step: placedMeanings(step, meanings, buckets),
    update: update ? placedMeanings(update, meanings, []) : [],
  };
  return ({ graph, id, microbatch }) => {
    const { type } = (graph === 'step' ? step : update!).values[id];
    return `${graph} ${microbatch ?? 'sum'} ${of[graph][id]} ${printType({ ...type, dtype: 'f64' })}`;
  };
}
