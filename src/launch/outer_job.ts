/**
 * One rank of a job that torchrun, Slurm or MPI started. Rank 0 prepares the run and tells the others, over a store of its own that
 * lives as long as the job, where it is.
 */
import { loadAddon, type Engine } from '../engine/native/bridge.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { worldSizeDiffers } from '../train/diagnostics.js';
import { discardStaged } from '../run/staged.js';
import type { TrainEvents } from '../train/events.js';
import { measuredPeak } from '../train/matmul_peak.js';
import { requireNativeEngine } from '../train/prepare_run.js';
import { moduleOf, type Begin } from './begun_run.js';
import type { RankEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { finish } from './finish.js';
import { nativeHost } from './hosts.js';
import { joinJob } from './join.js';
import { logged } from './logged.js';
import { parseRun, type LaunchedRun, type ScriptCall } from './messages.js';
import { workAsRank } from './rank.js';
import { requireSameCall } from './script_calls.js';
import { endStopped, type StopSignal } from './signals.js';
import type { TrainResult } from './start_job.js';
import { StopNote } from './stop_note.js';
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
}

/** How long the other ranks wait for rank 0 to prepare the data. */
const prepareSeconds = 3600;

export async function joinOuterJob(job: JoinRequest): Promise<TrainResult> {
  const { surroundings, given, call, environment } = job;
  await requireNativeEngine();
  const { rank } = environment;
  const leave = (signal: StopSignal) =>
    endStopped(`rank ${rank}: stopped by ${signal} before the first step: nothing was trained`);
  const stop = new StopNote({ leave });
  try {
    const meeting = await meet(environment);
    const key = `run/${call.number}`;
    const generation = `${environment.generation}/${key}`;
    const member: RankEnvironment = { ...environment, generation, hostStore: false, storeFd: null };
    if (rank !== 0) {
      const run = parseRun(new TextDecoder().decode(await meeting.storeGet(key, prepareSeconds)), 'rank 0');
      requireSameCall(call, run.call);
      const result = await workAsRank({ surroundings, environment: member, run, given, stop });
      return { folder: run.folder, leads: false, ...result };
    }
    return await leadOuterJob(job, { member, meeting, key, stop });
  } catch (error) {
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    throw error;
  } finally {
    stop.release();
  }
}

/** The store that lives as long as the job: a script may make several calls, and rank 0 may serve it. */
let met: Promise<Engine> | null = null;

function meet(environment: RankEnvironment): Promise<Engine> {
  met ??= join();
  return met;

  async function join(): Promise<Engine> {
    const engine = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
    process.on('exit', () => engine.close());
    await joinJob(engine, environment);
    return engine;
  }
}

interface Lead {
  /** The leader's place in the job of this call. */
  readonly member: RankEnvironment;
  /** Where it tells the others of the run, and under which name. */
  readonly meeting: Engine;
  readonly key: string;
  readonly stop: StopNote;
}

/** Rank 0 of the job: makes the run ready, tells the others of it over the store, and works like them. */
function leadOuterJob(
  { surroundings, events, call, environment, launchedAt, begin }: JoinRequest,
  { member, meeting, key, stop }: Lead,
): Promise<TrainResult> {
  return logged({ surroundings, events }, async (log) => {
    const begun = await begin(environment);
    const { prepared, folder, state, resume, lock } = begun;
    const { token } = lock;
    log.into(folder, { isNew: resume === null });
    try {
      const { config, plan, model } = prepared;
      if (ranksOf(plan) !== environment.worldSize) {
        throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
      }
      const peakFlops = await measuredPeak(config);
      const run: LaunchedRun = {
        folder: folder.path,
        lock: token,
        state: state.path,
        checkpoint: resume?.path ?? null,
        launchedAt,
        peakFlops,
        call,
        endedCalls: null,
        module: moduleOf(begun),
      };
      await meeting.storeSet(key, JSON.stringify(run));
      const host = nativeHost(config, member);
      const part = {
        surroundings,
        prepared,
        folder,
        lock: token,
        resume,
        events,
        launchedAt,
        host,
        peakFlops,
        rank: 0,
        stop,
      };
      const result = await work(part);
      const finished = await finish({ surroundings, config, folder, events, model, result, stop });
      return { folder: folder.path, leads: true, ...finished };
    } finally {
      discardStaged(folder);
      await resume?.close();
      lock.release();
    }
  });
}
