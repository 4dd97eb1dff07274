/** How many parameters a configuration's model has, without building all of it. */
import { modelOf } from '../../config/model_objects.js';
import type { TrainConfig } from '../../config/schema.js';
import { elementsOf } from '../../ir/type.js';
import { describeParameters } from '../../nn/trace.js';

/** A model that its configuration describes whole. */
export type DescribedModel = Exclude<TrainConfig['model'], { family: 'custom' }>;

/** From the same model with one layer and with two: layers are alike. `vocab`: rows of the embedding. */
export function parameterCountOf(model: DescribedModel, vocab: number): number {
  const [one, two] = [1, 2].map((layers) =>
    describeParameters(modelOf({ ...model, layers, vocab }, vocab)!).reduce(
      (sum, { type }) => sum + elementsOf(type),
      0,
    ),
  );
  return one + (model.layers - 1) * (two - one);
}
