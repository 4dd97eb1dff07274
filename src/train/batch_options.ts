import type { TrainConfig } from '../config/schema.js';
import type { BatchOptions } from '../data/index.js';

/** What a configuration says of batches. `context`: tokens of a sequence, which the model says. */
export const batchOptions = ({ batch, data, evaluation }: TrainConfig, context: number): BatchOptions => ({
  context,
  globalBatch: batch.sequences,
  seed: data.seed,
  validationSequences: evaluation.batches * batch.sequences,
});
