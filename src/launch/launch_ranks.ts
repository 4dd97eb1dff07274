/** A process a rank on this machine, and what rank 0 tells of the run. */
import type { TrainConfig } from '../config/schema.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { TrainEvents } from '../train/events.js';
import type { RankResult } from '../train/train_rank.js';
import { launch } from './launch.js';
import { parseRankMessage, runVariable, type LaunchedRun } from './messages.js';

/** After a signal, ranks have this long to finish their step and save. */
const saveSeconds = 300;

export interface LaunchRequest {
  readonly run: LaunchedRun;
  readonly ranks: number;
  readonly config: TrainConfig;
  readonly events: TrainEvents;
  /** Arguments of Node for each rank. */
  readonly args: readonly string[];
}

/** Runs the ranks to their end. Throws what the rank that failed first left, and `launch/interrupted` where nothing was saved. */
export async function launchRanks({ run, ranks, config, events, args }: LaunchRequest): Promise<RankResult> {
  let result: RankResult | null = null;
  let interrupted = false;
  let begun = run.checkpoint !== null;
  const printed: string[] = [];
  try {
    await launch({
      ranks,
      interruptSeconds: saveSeconds,
      begun: () => begun,
      output: ({ rank, line }) => printed.push(rank === 0 ? line : `[rank ${rank}] ${line}`),
      args,
      env: {
        [runVariable]: JSON.stringify(run),
        ...(config.threads !== null && { OMP_NUM_THREADS: String(config.threads) }),
      },
      onMessage(_rank, message) {
        const told = parseRankMessage(message);
        if (told === null) return;
        if ('event' in told) {
          begun ||= told.event.kind === 'step';
          events.emit(told.event);
        }
        if ('result' in told) result = told.result;
      },
    });
  } catch (error) {
    // Of a failure, what ranks printed is the message.
    if (!(error instanceof DiagnosticError) || error.code !== 'launch/interrupted') throw error;
    // Stopped by a signal, the ranks have saved and said so: that is no failure.
    if (result === null) throw error;
    interrupted = true;
  }
  for (const line of printed) process.stderr.write(`${line}\n`);
  // A signal after the last step leaves out what comes then.
  return { ...result!, interrupted: result!.interrupted || interrupted };
}
