/** How a run ended, as the last lines of its log. */
import type { TrainEvents } from '../train/events.js';
import type { TrainResult } from './start_job.js';
import type { RunLog, RunSurroundings } from './surroundings.js';
import { shellWord } from '../ir/shell.js';

export interface LoggedRun {
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
}

/** Runs what is given a log, which also tells how it ended. */
export async function logged(
  { surroundings, events }: LoggedRun,
  run: (log: RunLog) => Promise<TrainResult>,
): Promise<TrainResult> {
  const log = surroundings.openLog(events);
  try {
    const result = await run(log);
    if (result.interrupted) log.say(stoppedWord(result));
    return result;
  } catch (error) {
    log.say(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    log.close();
  }
}

/** What is said of a run that a signal has ended. */
export const stoppedWord = ({ summary, folder, complete }: TrainResult): string =>
  complete
    ? `stopped after the last step: all ${summary.steps} are trained and saved in ${folder}`
    : `stopped after step ${summary.steps} and saved; go on with \`flotilla resume ${shellWord(folder)}\``;
