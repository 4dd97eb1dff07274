/** A run's progress, on the output of the process that was started: that of the CLI and of a script alike. */
import type { LanguageModel } from '../nn/language_model.js';
import type { TrainEvents } from '../train/events.js';
import { stoppedWord } from './logged.js';
import type { TrainResult } from './start_job.js';
import type { RunSurroundings } from './surroundings.js';

export interface ShownRun {
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
  readonly shows: () => boolean;
  /** A model of its own that a script gave as an object; null where it gave none. */
  readonly given: LanguageModel | null;
}

/** Runs what is given with its progress shown, and says how to go on with what was stopped. */
export async function shown(
  { surroundings, events, shows: showsRun, given }: ShownRun,
  run: () => Promise<TrainResult>,
): Promise<TrainResult> {
  const shows = showsRun();
  const detach = shows ? surroundings.showProgress(events) : () => {};
  let result: TrainResult;
  try {
    result = await run();
  } finally {
    detach();
  }
  const { interrupted, aborted, leads } = result;
  // A person who has sent a signal is answered in any case.
  if (interrupted && leads && (shows || !aborted)) process.stderr.write(`${stoppedWord(result, given)}\n`);
  return result;
}
