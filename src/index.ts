/** What `import … from 'flotilla'` gives. */
import { surroundings } from './cli/surroundings.js';
import type { TrainOptions } from './config/schema.js';
import type { TrainResult } from './launch/start_job.js';
import { resumeRun, trainWith, type ResumeSettings, type TrainSettings } from './launch/train.js';

export * as nn from './nn/index.js';
export * as models from './nn/models/index.js';
export * as optim from './optim/index.js';
export * as data from './data/index.js';
export type { Tensor } from './ir/tensor.js';
export { DiagnosticError } from './ir/diagnostic.js';
export { generate } from './train/generate.js';
export type { GenerateOptions } from './train/generate_options.js';
export { trainEvents, type RunSummary, type TrainEvent, type TrainEvents } from './train/events.js';
export type { ResumeSettings, TrainOptions, TrainResult, TrainSettings };

/** Trains a model: one process a rank, or all of them in this one on the reference engine. */
export const train = (options: TrainOptions, settings?: TrainSettings): Promise<TrainResult> =>
  trainWith(surroundings, options, settings);

/** Goes on with a run from its latest checkpoint, or that of a step. */
export const resume = (run: string, settings?: ResumeSettings): Promise<TrainResult> =>
  resumeRun(surroundings, run, settings);
