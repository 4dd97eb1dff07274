/**
 * One rank of a job that torchrun, Slurm or MPI started. Rank 0 prepares the run and tells the others, over a store of its own that
 * lives as long as the job, where it is.
 */
import { loadAddon } from '../engine/native/bridge.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { worldSizeDiffers } from '../train/diagnostics.js';
import { discardStaged } from '../run/staged.js';
import type { TrainEvents } from '../train/events.js';
import { measuredPeak } from '../train/matmul_peak.js';
import { requireNativeEngine } from '../train/prepare_run.js';
import type { RankResult } from '../train/train_rank.js';
import type { Begin, BegunRun } from './begun_run.js';
import type { RankEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { finish } from './finish.js';
import { nativeHost } from './hosts.js';
import { joinJob } from './join.js';
import { parseRun, type LaunchedRun } from './messages.js';
import { workAsRank } from './rank.js';
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

export async function joinOuterJob(job: JoinRequest): Promise<RankResult & { readonly folder: string }> {
  const { surroundings, events, customModel, environment, launchedAt, begin } = job;
  await requireNativeEngine();
  let begun: BegunRun | null = null;
  const meeting = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
  try {
    await joinJob(meeting, environment);
    const generation = `${environment.generation}/run`;
    const member: RankEnvironment = { ...environment, generation, hostStore: false, storeFd: null };
    const { rank } = environment;
    if (rank !== 0) {
      const run = parseRun(new TextDecoder().decode(await meeting.storeGet('run', prepareSeconds)), 'rank 0');
      const result = await workAsRank(surroundings, member, run, customModel);
      return { folder: run.folder, ...result };
    }
    begun = await begin(environment);
    const { prepared, folder, state, resume } = begun;
    const { token: lock } = begun.lock;
    const { config, plan } = prepared;
    if (ranksOf(plan) !== environment.worldSize) {
      throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
    }
    const peakFlops = await measuredPeak(config);
    const checkpoint = resume?.path ?? null;
    const run: LaunchedRun = { folder: folder.path, lock, state: state.path, checkpoint, launchedAt, peakFlops };
    await meeting.storeSet('run', JSON.stringify(run));
    const host = nativeHost(config, member);
    const result = await work({
      surroundings,
      prepared,
      folder,
      lock,
      resume,
      events,
      launchedAt,
      host,
      peakFlops,
      rank,
    });
    return { folder: folder.path, ...(await finish({ surroundings, config, folder, events, customModel, result })) };
  } catch (error) {
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    throw error;
  } finally {
    if (begun) {
      discardStaged(begun.folder);
      begun.lock.release();
    }
    meeting.close();
  }
}
