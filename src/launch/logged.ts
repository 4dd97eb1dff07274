/** How a run ended, as the last lines of its log. */
import type { LanguageModel } from '../nn/language_model.js';
import type { TrainEvents } from '../train/events.js';
import { goOnWord } from './go_on.js';
import type { TrainResult } from './start_job.js';
import type { RunLog, RunSurroundings } from './surroundings.js';

export interface LoggedRun {
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
  /** A model of its own that a script gave as an object; null where it gave none. */
  readonly given: LanguageModel | null;
}

/** Runs what is given a log, which also tells how it ended. */
export async function logged(
  { surroundings, events, given }: LoggedRun,
  run: (log: RunLog) => Promise<TrainResult>,
): Promise<TrainResult> {
  const log = surroundings.openLog(events);
  try {
    const result = await run(log);
    if (result.interrupted) log.say(stoppedWord(result, given));
    return result;
  } catch (error) {
    log.say(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    log.close();
  }
}

/** What is said of a run that a signal has ended. `given`: the model of its own that a script gave it as an object. */
export function stoppedWord({ summary, folder, complete }: TrainResult, given: LanguageModel | null): string {
  const { steps, stepSeconds } = summary;
  if (complete) return `stopped after the last step: all ${steps} are trained and saved in ${folder}`;
  const goOn = goOnWord(folder, given !== null);
  if (stepSeconds !== null) return `stopped after step ${steps} and saved; ${goOn}`;
  const kept = steps === 0 ? 'its first weights are saved' : `the run is at step ${steps}, as before`;
  return `stopped before a step was taken: ${kept}; ${goOn}`;
}
