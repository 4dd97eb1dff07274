/** What `import … from 'flotilla'` gives. */
import { surroundings as ofProcess } from './cli/surroundings.js';
import type { TrainOptions } from './config/schema.js';
import type { TrainResult } from './launch/start_job.js';
import { inTurn } from './launch/script_calls.js';
import { ScriptStop } from './launch/script_stop.js';
import { printUncaughtDiagnostics } from './launch/uncaught.js';
import { resumeRun, trainWith, type ResumeSettings, type TrainSettings } from './launch/train.js';
import { generate as generateFrom } from './train/generate.js';
import { requireGenerateSettings, type GenerateSettings } from './train/generate_settings.js';

export * as nn from './nn/index.js';
export * as models from './nn/models/index.js';
export * as optim from './optim/index.js';
export * as data from './data/index.js';
export type { Tensor } from './ir/tensor.js';
export { DiagnosticError } from './ir/diagnostic.js';
export { trainEvents, type RunSummary, type TrainEvent, type TrainEvents } from './train/events.js';
export type { GenerateSettings, ResumeSettings, TrainOptions, TrainResult, TrainSettings };

printUncaughtDiagnostics();

const surroundings = { ...ofProcess, script: new ScriptStop() };

/**
 * Trains a model: one process a rank, or all of them in this one on the reference engine.
 *
 * A script may make any number of calls of `train`, `resume` and `generate`, each with its own model; they run one after the other. A
 * model of the script's own only the script can construct: in the rank processes of such a call the script runs again, earlier calls
 * give there what they gave, and nothing behind the call is reached.
 *
 * A signal (Ctrl-C, SIGTERM, …) stops the call that runs after one more step, saved: what it gives says `interrupted`. Later calls of
 * `train` and `resume` are refused (`launch/stopped-before`), and the script's exit status is 130 unless it sets its own. By `signal`, in the
 * settings, the script stops a call itself, and goes on.
 */
export const train = (options: TrainOptions, settings?: TrainSettings): Promise<TrainResult> =>
  trainWith(surroundings, options, settings);

/**
 * Goes on with a run from its latest checkpoint, or that of a step. `model`, in the settings: a model of one's own, or the file that
 * exports it.
 */
export const resume = (run: string, settings?: ResumeSettings): Promise<TrainResult> =>
  resumeRun(surroundings, run, settings);

/**
 * What the latest checkpoint of a run writes after the prompt. `onText`, in the settings, is told of each piece as it comes. `model`: a model
 * of one's own, or the file that exports it.
 */
export const generate = async (run: string, settings: GenerateSettings = {}): Promise<string> => {
  requireGenerateSettings(settings);
  const { model } = settings;
  return inTurn('generate', typeof model === 'object' ? model : null, () => generateFrom(run, settings));
};
