/** A process a rank on this machine, and what rank 0 tells of the run. */
import type { TrainConfig } from '../config/schema.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { counted } from '../ir/units.js';
import type { TrainEvents } from '../train/events.js';
import { beginSetup } from '../train/in_setup.js';
import type { RankResult } from '../train/train_rank.js';
import type { JobProgress } from './diagnostics.js';
import { recoveryWord } from './go_on.js';
import { launch } from './launch.js';
import { parseRankMessage, runVariable, type LaunchedRun } from './messages.js';
import { tellStop, type StopCause, type StopNote } from './stop_note.js';

/** After a signal, ranks that compile, and do not hear it meanwhile, have this long to end. */
const leaveSeconds = 10;

export interface LaunchRequest {
  readonly run: LaunchedRun;
  readonly ranks: number;
  readonly config: TrainConfig;
  readonly events: TrainEvents;
  /** Arguments of Node for each rank. */
  readonly args: readonly string[];
  /** Adds a line to the run's log. */
  readonly say: (text: string) => void;
  /** Of the launcher. */
  readonly stop: StopNote;
}

/** Runs the ranks to their end. Throws what the rank that failed first left; `launch/interrupted`, `launch/aborted` where nothing was saved. */
export async function launchRanks({ run, ranks, config, events, args, say, stop }: LaunchRequest): Promise<RankResult> {
  let result: RankResult | null = null;
  let interrupted = false;
  let { checkpoint } = run;
  let atWork = false;
  const progress = (): JobProgress => ({
    atWork,
    saved: checkpoint !== null,
    recovery: recoveryWord(run.folder, checkpoint, run.call.model !== null),
  });
  let cause: StopCause | null = null;
  // Ranks that are not at work yet end at the signal, unless they have got there meanwhile.
  const tell = tellStop(ranks, { say, shows: config.logging.console });
  const printed: string[] = [];
  const started = beginSetup(events, `starting ${counted(ranks, 'rank')}`);
  try {
    await launch({
      ranks,
      interruptSeconds: leaveSeconds,
      progress,
      onInterrupt(by) {
        cause = by;
        if (atWork) tell(by);
      },
      output: ({ rank, line }) => printed.push(rank === 0 ? line : `[rank ${rank}] ${line}`),
      abort: stop.abort ?? undefined,
      args,
      env: {
        [runVariable]: JSON.stringify(run),
        ...(config.threads !== null && { OMP_NUM_THREADS: String(config.threads) }),
      },
      onMessage(_rank, message) {
        const told = parseRankMessage(message);
        if (told === null) return;
        if ('event' in told) {
          started();
          events.emit(told.event);
          if (told.event.kind === 'checkpoint') checkpoint = told.event.path;
          if (told.event.kind !== 'compiled') return;
          atWork = true;
          if (cause) tell(cause);
        }
        if ('result' in told) result = told.result;
      },
    });
  } catch (error) {
    // Of a failure, what ranks printed is the message.
    if (!(error instanceof DiagnosticError) || error.code !== 'launch/interrupted') throw error;
    // Stopped by a signal, the ranks have saved and said so: that is no failure.
    if (result === null) {
      if (cause === 'abort') stop.requireGoingOn();
      throw error;
    }
    interrupted = true;
  }
  for (const line of printed) process.stderr.write(`${line}\n`);
  // A signal after the last step leaves out what comes then.
  return { ...result!, interrupted: result!.interrupted || interrupted, aborted: cause === 'abort' };
}
