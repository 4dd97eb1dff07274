/**
 * One rank of a job that torchrun, Slurm or MPI started. Rank 0 prepares the run and tells the others, over a store of its own that
 * lives as long as the job, where it is.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { worldSizeDiffers } from '../train/diagnostics.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { measuredPeak } from '../train/matmul_peak.js';
import { requireNativeEngine } from '../train/prepare_run.js';
import type { Begin } from './begun_run.js';
import type { RankEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { finish } from './finish.js';
import { nativeHost } from './hosts.js';
import { amongOthers, type Meeting, type Tell } from './meeting.js';
import { logged } from './logged.js';
import { parseRun, type LaunchedRun } from './messages.js';
import { workAsRank } from './rank.js';
import { endStopped } from './signals.js';
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

/** How long a process whose engine cannot be interrupted has to end, once the job cannot go on. */
const endSeconds = 10;

export async function joinOuterJob(job: JoinRequest): Promise<TrainResult> {
  const { environment, events } = job;
  await requireNativeEngine();
  const stop = new StopNote({
    leave: (signal) =>
      endStopped(`rank ${environment.rank}: stopped by ${signal} before the first step: nothing was trained`),
  });
  const tell: Tell = (code, message) => events.emit({ kind: 'warning', code, message });
  try {
    return await amongOthers({ environment, tell, stop }, (meeting) => {
      meeting?.whenLost((error) => endInTime(environment, error));
      return environment.rank === 0 ? lead(job, meeting, stop) : follow(job, meeting!, stop);
    });
  } catch (error) {
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    throw error;
  } finally {
    stop.release();
  }
}

/** Prepares the run, tells the others where it is, works, and finishes it. */
function lead(job: JoinRequest, meeting: Meeting | null, stop: StopNote): Promise<TrainResult> {
  const { surroundings, events, customModel, environment, launchedAt, begin } = job;
  return logged(job, async (log) => {
    const begun = await begin(environment);
    const { prepared, folder, resume } = begun;
    log.into(folder);
    const { config, plan } = prepared;
    if (ranksOf(plan) !== environment.worldSize) {
      throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
    }
    const peakFlops = await measuredPeak(config);
    const run: LaunchedRun = { folder: folder.path, checkpoint: resume?.path ?? null, launchedAt, peakFlops };
    await meeting?.set('run', JSON.stringify(run));
    const host = nativeHost(config, environment, meeting);
    const rank = environment.rank;
    const result = await work({ surroundings, ...begun, events, launchedAt, host, peakFlops, rank, stop });
    const finished = await finish({ surroundings, config, folder, events, customModel, result, stop });
    return { folder: folder.path, leads: true, ...finished };
  });
}

async function follow(job: JoinRequest, meeting: Meeting, stop: StopNote): Promise<TrainResult> {
  const { surroundings, customModel, environment } = job;
  const run = parseRun(await meeting.get('run'), 'rank 0');
  const events = trainEvents();
  const result = await workAsRank({ surroundings, environment, run, customModel, stop, events, meeting });
  return { folder: run.folder, leads: false, ...result };
}

/** The engine meets the others, or waits for a device, in calls that nothing interrupts: the process then ends without them. */
function endInTime({ errorFile }: RankEnvironment, error: DiagnosticError): void {
  const end = () => {
    if (errorFile) writeErrorFile(errorFile, error);
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  };
  setTimeout(end, 1000 * endSeconds).unref();
}
