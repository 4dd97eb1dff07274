/**
 * One rank of a job that torchrun, Slurm or MPI started. Rank 0 prepares the run and tells the others where it is, over the job's store,
 * which it serves for as long as its process lives, unless the launcher does: a script may make several calls, each a meeting of its own.
 */
import { loadAddon, type AddonEngine } from '../engine/native/bridge.js';
import type { DiagnosticError } from '../ir/diagnostic.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { worldSizeDiffers } from '../train/diagnostics.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { inSetup, tellProgram } from '../train/in_setup.js';
import { measuredPeak } from '../train/matmul_peak.js';
import { requireNativeEngine } from '../train/prepare_run.js';
import { letGo, ownPart, toldRun, type Begin } from './begun_run.js';
import type { RankEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { finish } from './finish.js';
import { nativeHost } from './hosts.js';
import { logged } from './logged.js';
import { enterStore, type Tell } from './arrival.js';
import { amongOthers, type Meeting } from './meeting.js';
import { parseRankResult, parseRun, type LaunchedRun, type ScriptCall } from './messages.js';
import { workAsRank } from './rank.js';
import { requireSameCall } from './script_calls.js';
import { endStopped } from './signals.js';
import type { TrainResult } from './start_job.js';
import { StopNote, tellStop } from './stop_note.js';
import type { RunSurroundings } from './surroundings.js';
import { work } from './work.js';

export interface JoinRequest {
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
  /** A model of its own that a script gave as an object; null where it gave none. */
  readonly given: LanguageModel | null;
  readonly call: ScriptCall;
  readonly environment: RankEnvironment;
  /** Since 1970, in milliseconds. */
  readonly launchedAt: number;
  readonly begin: Begin;
  /** By which the script may stop the call. */
  readonly abort: AbortSignal | undefined;
}

/** How long a process whose engine cannot be interrupted has to end, once the job cannot go on. */
const endSeconds = 10;

export async function joinOuterJob(request: JoinRequest): Promise<TrainResult> {
  const { events, call, abort, environment: given } = request;
  await requireNativeEngine();
  const stop = new StopNote({
    abort,
    leave: (signal) =>
      endStopped(`rank ${given.rank}: stopped by ${signal} before the first step: nothing was trained`),
  });
  const tell: Tell = (code, message) => events.emit({ kind: 'warning', code, message });
  const ending = new AbortController();
  try {
    if (given.hostStore && given.worldSize > 1) await serveStore(given);
    const environment = { ...given, generation: `${given.generation}/call ${call.number}` };
    const job = { ...request, environment };
    return await amongOthers({ environment, tell, stop, isServed: true }, (meeting) => {
      stop.requireGoingOn();
      meeting?.whenLost((error) => endInTime(environment, error, ending.signal));
      return environment.rank === 0 ? lead(job, meeting, stop) : follow(job, meeting!, stop);
    });
  } catch (error) {
    if (given.errorFile) writeErrorFile(given.errorFile, error);
    throw error;
  } finally {
    ending.abort();
    stop.release();
  }
}

let served: Promise<AddonEngine> | null = null;

/** Serves the job's store until this process ends. What failed is tried again by the script's next call. */
function serveStore(environment: RankEnvironment): Promise<AddonEngine> {
  served ??= serve().catch((error: unknown) => {
    served = null;
    throw error;
  });
  return served;

  async function serve(): Promise<AddonEngine> {
    const engine = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
    try {
      await enterStore(engine, environment, { serves: true, name: 'store' });
    } catch (error) {
      engine.close();
      throw error;
    }
    process.on('exit', () => engine.close());
    return engine;
  }
}

/** Prepares the run, tells the others where it is, works, and finishes it. */
function lead(job: JoinRequest, meeting: Meeting | null, stop: StopNote): Promise<TrainResult> {
  const { surroundings, events, call, environment, launchedAt, begin } = job;
  return logged(job, async (log) => {
    tellProgram(events, launchedAt);
    const begun = await begin(environment);
    const { prepared, folder } = begun;
    log.into(folder, { isNew: begun.resume === null });
    try {
      const { config, plan, model } = prepared;
      if (ranksOf(plan) !== environment.worldSize) {
        throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
      }
      const peakFlops = await inSetup(events, 'matmul peak', () => measuredPeak(config));
      const run: LaunchedRun = { ...toldRun(begun, { launchedAt, peakFlops, call }), endedCalls: null };
      await meeting?.set('run', JSON.stringify(run));
      const host = nativeHost(config, environment, meeting);
      const { rank } = environment;
      const part = { surroundings, ...ownPart(begun), events, launchedAt, host, peakFlops, rank, stop };
      const [say, shows] = [(text: string) => log.say(text), config.logging.console];
      const result = await work({ ...part, tellStop: tellStop(environment.worldSize, { say, shows }) });
      const finished = await finish({ surroundings, config, folder, events, model, result, stop });
      await meeting?.set('result', JSON.stringify(finished));
      return { folder: folder.path, leads: true, ...finished };
    } finally {
      await letGo(begun);
    }
  });
}

async function follow(job: JoinRequest, meeting: Meeting, stop: StopNote): Promise<TrainResult> {
  const { surroundings, given, call, environment } = job;
  const run = parseRun(await meeting.get('run'), 'rank 0');
  requireSameCall(call, run.call);
  const events = trainEvents();
  await workAsRank({ surroundings, environment, run, given, stop, events, meeting });
  // What rank 0 has measured, and a signal that came while it wrote: the scripts of all ranks choose, go on and end alike.
  const result = parseRankResult(await meeting.get('result'), 'rank 0');
  return { folder: run.folder, leads: false, ...result };
}

/**
 * The engine meets the others, or waits for a device, in calls that nothing interrupts: the process then ends without them. `ended`: that
 * the call of train() or resume() has, and its script may go on.
 */
function endInTime({ errorFile }: RankEnvironment, error: DiagnosticError, ended: AbortSignal): void {
  const end = () => {
    if (errorFile) writeErrorFile(errorFile, error);
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  };
  const timer = setTimeout(end, 1000 * endSeconds).unref();
  ended.addEventListener('abort', () => clearTimeout(timer));
}
