/**
 * A run's job, started, led or followed. Where no launcher has said which rank this process is, it prepares the run and launches one
 * process a rank, or, on the reference engine, runs all ranks itself.
 */
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import type { RunSummary, TrainEvents } from '../train/events.js';
import { measuredPeak } from '../train/matmul_peak.js';
import type { RankResult } from '../train/train_rank.js';
import { moduleOf, type Begin, type BegunRun } from './begun_run.js';
import { rankFromEnvironment } from './environment.js';
import { finish } from './finish.js';
import { referenceHost } from './hosts.js';
import { launchRanks } from './launch_ranks.js';
import { runOfEnvironment, type ScriptCall } from './messages.js';
import { joinOuterJob } from './outer_job.js';
import { endAsRank } from './rank.js';
import { inTurn, withEndedCalls } from './script_calls.js';
import type { RunSurroundings } from './surroundings.js';
import { work } from './work.js';

export interface JobRequest {
  readonly kind: 'train' | 'resume';
  readonly surroundings: RunSurroundings;
  readonly events: TrainEvents;
  /** A model of its own that a script gave as an object; null where it gave none. */
  readonly given: LanguageModel | null;
  readonly begin: Begin;
}

export interface TrainResult {
  readonly folder: string;
  readonly summary: RunSummary;
  /** True where a signal ended the run before its last step; `flotilla resume` goes on from there. */
  readonly interrupted: boolean;
}

export const startJob = (request: JobRequest): Promise<TrainResult> =>
  inTurn(request.kind, request.given, (call) => startCall(request, call));

async function startCall({ surroundings, events, given, begin }: JobRequest, call: ScriptCall): Promise<TrainResult> {
  const launchedAt = launchTime();
  const environment = rankFromEnvironment();
  const run = runOfEnvironment(process.env);
  if (environment && run) return endAsRank(surroundings, environment, run, given);
  if (environment) return joinOuterJob({ surroundings, events, given, call, environment, launchedAt, begin });
  const begun = await begin(null);
  const { prepared, folder } = begun;
  try {
    const result = await start({ surroundings, begun, events, call, launchedAt });
    const { config, model } = prepared;
    return { folder: folder.path, ...(await finish({ surroundings, config, folder, events, model, result })) };
  } finally {
    await begun.resume?.close();
  }
}

/** When this program was started, in milliseconds since 1970; set-up that a script did before counts as part of it. */
const launchTime = (): number =>
  Date.now() - 1000 * (process.uptime() + Number(process.env.FLOTILLA_SETUP_SECONDS ?? 0));

interface StartRequest extends Pick<JobRequest, 'surroundings' | 'events'> {
  readonly begun: BegunRun;
  readonly call: ScriptCall;
  readonly launchedAt: number;
}

/** All virtual ranks in this process, or a process a rank. */
async function start({ surroundings, begun, events, call, launchedAt }: StartRequest): Promise<RankResult> {
  const { prepared, folder, resume } = begun;
  const { config, plan } = prepared;
  if (config.engine === 'reference') {
    const host = referenceHost();
    return work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops: null, rank: 0 });
  }
  const peakFlops = await measuredPeak(config);
  const checkpoint = resume?.path ?? null;
  const run = { folder: folder.path, checkpoint, launchedAt, peakFlops, call, module: moduleOf(begun) };
  prepared.dataset.close();
  const ranks = ranksOf(plan);
  if (call.model === null) {
    const { rankArguments: args } = surroundings;
    return launchRanks({ run: { ...run, endedCalls: null }, ranks, config, events, args });
  }
  // Only the script that constructed a model can construct it again.
  const args = [...process.execArgv, ...process.argv.slice(1)];
  return withEndedCalls((endedCalls) => launchRanks({ run: { ...run, endedCalls }, ranks, config, events, args }));
}
