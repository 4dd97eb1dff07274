/**
 * A run's job, started, led or followed. Where no launcher has said which rank this process is, it prepares the run and launches one
 * process a rank, or, on the reference engine, runs all ranks itself.
 */
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { pathsTold } from '../run/paths_told.js';
import type { RunSummary, TrainEvents } from '../train/events.js';
import { inSetup, tellProgram } from '../train/in_setup.js';
import { measuredPeak } from '../train/matmul_peak.js';
import type { RankResult } from '../train/train_rank.js';
import { letGo, ownPart, toldRun, type Begin, type BegunRun } from './begun_run.js';
import { rankFromEnvironment } from './environment.js';
import { finish } from './finish.js';
import { referenceHost } from './hosts.js';
import { launchRanks } from './launch_ranks.js';
import { runOfEnvironment, type ScriptCall } from './messages.js';
import { joinOuterJob } from './outer_job.js';
import { outliveOutput } from './output.js';
import { endAsRank } from './rank.js';
import { inTurn, withEndedCalls } from './script_calls.js';
import { endStopped, importFirst, type StopSignal } from './signals.js';
import { StopNote, tellStop } from './stop_note.js';
import { logged } from './logged.js';
import { shown } from './shown.js';
import type { RunSurroundings } from './surroundings.js';
import { work } from './work.js';

export interface JobRequest {
  readonly kind: 'train' | 'resume';
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
  /** A model of its own that a script gave as an object; null where it gave none. */
  readonly given: LanguageModel | null;
  readonly begin: Begin;
  /** Whether this run's progress is shown, as far as that can be known before it is begun. */
  readonly shows: () => boolean;
  /** By which the script may stop the call. */
  readonly abort: AbortSignal | undefined;
}

export interface TrainResult {
  readonly folder: string;
  readonly summary: RunSummary;
  /** True where it was stopped before its end: before its last step, or what comes after that was left out. */
  readonly interrupted: boolean;
  /** Whether the script alone stopped it, by the `signal` that it gave this call in any of its processes: no signal of the system did. */
  readonly aborted: boolean;
  /** Whether all its steps are trained and saved. */
  readonly complete: boolean;
  /** Whether this process tells of the run: of a job that torchrun and the like have started, one does. */
  readonly leads: boolean;
}

export const startJob = (request: JobRequest): Promise<TrainResult> =>
  inTurn(request.kind, request.given, (call) =>
    pathsTold(() => {
      const start = () => startCall(request, call);
      return request.surroundings.script?.unlessStopped(call, start) ?? start();
    }),
  );

async function startCall(request: JobRequest, call: ScriptCall): Promise<TrainResult> {
  const { surroundings, given, abort } = request;
  outliveOutput();
  const launchedAt = launchTime(call);
  const environment = rankFromEnvironment();
  const run = runOfEnvironment(process.env);
  if (environment && run) return endAsRank(surroundings, environment, run, given);
  return shown(request, async () => {
    if (environment) return joinOuterJob({ ...request, call, environment, launchedAt });
    const stop = new StopNote({ leave: endEarly, abort });
    try {
      stop.requireGoingOn();
      return await lead({ ...request, call, launchedAt, stop });
    } finally {
      stop.release();
    }
  });
}

/** A signal before the first step: nothing is lost. */
const endEarly = (signal: StopSignal) => endStopped(`stopped by ${signal} before the first step: nothing was trained`);

interface LeadRequest extends Pick<JobRequest, 'surroundings' | 'events' | 'begin' | 'given'> {
  readonly call: ScriptCall;
  readonly launchedAt: number;
  readonly stop: StopNote;
}

function lead({ begin, ...request }: LeadRequest): Promise<TrainResult> {
  return logged(request, async (log) => {
    tellProgram(request.events, request.launchedAt);
    const begun = await begin(null);
    const { folder } = begun;
    const { config, model } = begun.prepared;
    log.into(folder, { isNew: begun.resume === null });
    try {
      const result = await start({ ...request, begun, say: (text) => log.say(text) });
      return { folder: folder.path, leads: true, ...(await finish({ ...request, config, folder, model, result })) };
    } finally {
      await letGo(begun);
    }
  });
}

/**
 * When this program was started, in milliseconds since 1970; set-up that a script did before counts as part of it. Of a later call of the
 * script: when it was made.
 */
const launchTime = ({ number }: ScriptCall): number =>
  Date.now() - (number === 0 ? 1000 * (process.uptime() + Number(process.env.FLOTILLA_SETUP_SECONDS ?? 0)) : 0);

interface StartRequest extends Omit<LeadRequest, 'begin'> {
  readonly begun: BegunRun;
  readonly say: (text: string) => void;
}

/** All virtual ranks in this process, or a process a rank. */
async function start(request: StartRequest): Promise<RankResult> {
  const { surroundings, begun, events, call, launchedAt, stop, say } = request;
  const { prepared } = begun;
  const { config, plan } = prepared;
  if (config.engine === 'reference') {
    const host = (surroundings.virtualRanks ?? referenceHost)();
    const part = { surroundings, ...ownPart(begun), events, launchedAt, host, peakFlops: null, rank: 0, stop };
    return work({ ...part, tellStop: tellStop(1, { say, shows: config.logging.console }) });
  }
  const run = toldRun(begun, {
    launchedAt,
    peakFlops: await inSetup(events, 'matmul peak', () => measuredPeak(config)),
    call,
  });
  prepared.dataset.close();
  stop.ready();
  const told = { ranks: ranksOf(plan), config, events, say, stop };
  if (call.model === null) {
    const { rankArguments: args } = surroundings;
    return launchRanks({ ...told, run: { ...run, endedCalls: null }, args });
  }
  // Only the script that constructed a model can construct it again.
  const args = [...process.execArgv, ...importFirst, ...process.argv.slice(1)];
  return withEndedCalls((endedCalls) => launchRanks({ ...told, run: { ...run, endedCalls }, args }));
}
