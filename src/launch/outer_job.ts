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
import type { Begin } from './begun_run.js';
import type { RankEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { finish } from './finish.js';
import { nativeHost } from './hosts.js';
import { joinJob } from './join.js';
import { logged } from './logged.js';
import { parseRun, type LaunchedRun } from './messages.js';
import { workAsRank } from './rank.js';
import { endStopped, type StopSignal } from './signals.js';
import type { TrainResult } from './start_job.js';
import { StopNote } from './stop_note.js';
import type { RunSurroundings } from './surroundings.js';
import { work } from './work.js';

export interface JoinRequest {
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
  readonly customModel: LanguageModel | null;
  readonly environment: RankEnvironment;
  /** Since 1970, in milliseconds. */
  readonly launchedAt: number;
  readonly begin: Begin;
}

/** How long the other ranks wait for rank 0 to prepare the data. */
const prepareSeconds = 3600;

export async function joinOuterJob(job: JoinRequest): Promise<TrainResult> {
  const { surroundings, customModel, environment } = job;
  await requireNativeEngine();
  const { rank } = environment;
  const leave = (signal: StopSignal) =>
    endStopped(`rank ${rank}: stopped by ${signal} before the first step: nothing was trained`);
  const stop = new StopNote({ leave });
  const meeting = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
  try {
    await joinJob(meeting, environment);
    const generation = `${environment.generation}/run`;
    const member: RankEnvironment = { ...environment, generation, hostStore: false, storeFd: null };
    if (rank !== 0) {
      const run = parseRun(new TextDecoder().decode(await meeting.storeGet('run', prepareSeconds)), 'rank 0');
      const result = await workAsRank({ surroundings, environment: member, run, customModel, stop });
      return { folder: run.folder, leads: false, ...result };
    }
    return await leadOuterJob(job, member, meeting, stop);
  } catch (error) {
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    throw error;
  } finally {
    meeting.close();
    stop.release();
  }
}

/** Rank 0 of the job: makes the run ready, tells the others of it over the store, and works like them. */
function leadOuterJob(
  { surroundings, events, customModel, environment, launchedAt, begin }: JoinRequest,
  member: RankEnvironment,
  store: Engine,
  stop: StopNote,
): Promise<TrainResult> {
  return logged({ surroundings, events }, async (log) => {
    const { prepared, folder, state, resume, lock } = await begin(environment);
    log.into(folder, { isNew: resume === null });
    try {
      const { config, plan } = prepared;
      if (ranksOf(plan) !== environment.worldSize) {
        throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
      }
      const peakFlops = await measuredPeak(config);
      const checkpoint = resume?.path ?? null;
      const { token } = lock;
      const run: LaunchedRun = {
        folder: folder.path,
        lock: token,
        state: state.path,
        checkpoint,
        launchedAt,
        peakFlops,
      };
      await store.storeSet('run', JSON.stringify(run));
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
      const finished = await finish({ surroundings, config, folder, events, customModel, result, stop });
      return { folder: folder.path, leads: true, ...finished };
    } finally {
      discardStaged(folder);
      await resume?.close();
      lock.release();
    }
  });
}
