/**
 * One rank of a job that torchrun, Slurm or MPI started. Rank 0 prepares the run and tells the others, over a store of its own that
 * lives as long as the job, where it is.
 */
import { loadAddon, type Engine } from '../engine/native/bridge.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { worldSizeDiffers } from '../train/diagnostics.js';
import type { TrainEvents } from '../train/events.js';
import { measuredPeak } from '../train/matmul_peak.js';
import { requireNativeEngine } from '../train/prepare_run.js';
import type { RankResult } from '../train/train_rank.js';
import { moduleOf, type Begin } from './begun_run.js';
import type { RankEnvironment } from './environment.js';
import { writeErrorFile } from './error_file.js';
import { finish } from './finish.js';
import { nativeHost } from './hosts.js';
import { joinJob } from './join.js';
import { parseRun, type LaunchedRun, type ScriptCall } from './messages.js';
import { workAsRank } from './rank.js';
import { requireSameCall } from './script_calls.js';
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

export async function joinOuterJob(job: JoinRequest): Promise<RankResult & { readonly folder: string }> {
  const { surroundings, events, given, call, environment, launchedAt, begin } = job;
  await requireNativeEngine();
  try {
    const meeting = await meet(environment);
    const key = `run/${call.number}`;
    const generation = `${environment.generation}/${key}`;
    const member: RankEnvironment = { ...environment, generation, hostStore: false, storeFd: null };
    const { rank } = environment;
    if (rank !== 0) {
      const run = parseRun(new TextDecoder().decode(await meeting.storeGet(key, prepareSeconds)), 'rank 0');
      requireSameCall(call, run.call);
      const result = await workAsRank(surroundings, member, run, given);
      return { folder: run.folder, ...result };
    }
    const begun = await begin(environment);
    const { prepared, folder, resume } = begun;
    const { config, plan, model } = prepared;
    if (ranksOf(plan) !== environment.worldSize) {
      throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
    }
    const peakFlops = await measuredPeak(config);
    const checkpoint = resume?.path ?? null;
    const told = { folder: folder.path, checkpoint, launchedAt, peakFlops, call, endedCalls: null };
    await meeting.storeSet(key, JSON.stringify({ ...told, module: moduleOf(begun) } satisfies LaunchedRun));
    const host = nativeHost(config, member);
    const result = await work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops, rank });
    return { folder: folder.path, ...(await finish({ surroundings, config, folder, events, model, result })) };
  } catch (error) {
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    throw error;
  }
}

/** The store that lives as long as the job: a script may make several calls, and rank 0 may serve it. */
let meeting: Promise<Engine> | null = null;

function meet(environment: RankEnvironment): Promise<Engine> {
  meeting ??= join();
  return meeting;

  async function join(): Promise<Engine> {
    const engine = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
    process.on('exit', () => engine.close());
    await joinJob(engine, environment);
    return engine;
  }
}
