/** How many parameters a configuration's model has, without building all of it. */
import { modelOf } from '../../config/objects.js';
import type { TrainConfig } from '../../config/schema.js';
import { elementsOf } from '../../ir/type.js';
import type { LanguageModel } from '../../nn/language_model.js';
import { describeParameters } from '../../nn/trace.js';

/** Parameters of a model of so many layers: those outside the layers, and those of each. */
export interface ModelSize {
  readonly outside: number;
  readonly eachLayer: number;
}

export const parametersOfSize = ({ outside, eachLayer }: ModelSize, layers: number): number =>
  outside + layers * eachLayer;

/** From a model of one layer and one of two: layers are alike. Null for a model of the user's own. `vocab`: where it is left open. */
export function modelSize(model: TrainConfig['model'], vocab: number): ModelSize | null {
  if (model.family === 'custom') return null;
  const [one, two] = [1, 2].map((layers) => parameterElements(modelOf({ ...model, layers }, vocab)!));
  return { outside: 2 * one - two, eachLayer: two - one };
}

const parameterElements = (model: LanguageModel): number =>
  describeParameters(model).reduce((sum, { type }) => sum + elementsOf(type), 0);
