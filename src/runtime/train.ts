/**
 * Training, from options to a run folder.
 *
 * Where no launcher has said which rank this process is, it prepares the run and launches one process a rank, or, on the reference
 * engine, runs all ranks itself. Each process of a job then does what `worker.ts` says.
 */
import { copyFileSync } from 'node:fs';
import { nodeDisk, openCheckpoint, openLatest, type Checkpoint } from '../checkpoint/index.js';
import { loadAddon } from '../engine/native/bridge.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import type { LanguageModel } from '../nn/language_model.js';
import { ranksOf } from '../plan/plan.js';
import { loadConfig, loadModel, readConfig } from './config.js';
import { requireDevice } from './device.js';
import { runCompleted, worldSizeDiffers } from './diagnostics.js';
import { trainEvents, type RunSummary, type TrainEvent, type TrainEvents } from './events.js';
import { generate } from './generate.js';
import { nativeHost, referenceHost } from './hosts.js';
import { launch } from './launch/launch.js';
import { rankFromEnvironment, type RankEnvironment } from './launch/environment.js';
import { writeErrorFile } from './launch/error_file.js';
import { joinJob } from './launch/join.js';
import { runRank } from './launch/rank_process.js';
import { measuredPeak } from './matmul_peak.js';
import type { TrainConfig, TrainOptions } from './options.js';
import {
  openRunData,
  prepareRun,
  requireEngine,
  requireNativeEngine,
  type OuterJob,
  type PreparedRun,
} from './prepare_run.js';
import { resolveConfig, type ResolvedConfig } from './resolve.js';
import { RunFolder } from './run_folder.js';
import type { TracedLaunch } from './traced_launch.js';
import { runWorker, type EngineHost, type WorkerResult } from './worker.js';

/** What surrounds a run: files made from its events, and the program that a rank process runs. */
export interface RunSurroundings {
  /** Keeps files of the run up to date with its events, until the function it returns is called. */
  record(events: TrainEvents, folder: RunFolder, config: TrainConfig, resumedFrom: number | null): () => void;
  writeTrace(file: string, launches: readonly TracedLaunch[]): void;
  writeSummary(folder: RunFolder, summary: RunSummary): void;
  /** Arguments of Node for a rank process: it calls {@link rankMain}. */
  readonly rankArguments: readonly string[];
}

export interface TrainSettings {
  /** Told of everything; by default nobody is. */
  readonly events?: TrainEvents;
  /** `--set` overrides. */
  readonly overrides?: readonly string[];
  /** Where the options come from, for messages. */
  readonly source?: string;
}

export interface TrainResult {
  readonly folder: string;
  readonly summary: RunSummary;
  /** True where a signal ended the run before its last step; `flotilla resume` goes on from there. */
  readonly interrupted: boolean;
}

/** Trains what the options describe. Under torchrun and the like, every rank calls it. Throws diagnostics. */
export async function trainWith(
  surroundings: RunSurroundings,
  options: TrainOptions,
  settings: TrainSettings = {},
): Promise<TrainResult> {
  return trainResolved(surroundings, resolveConfig(options, settings), settings);
}

/** Trains what a configuration file describes. */
export async function trainFile(
  surroundings: RunSurroundings,
  file: string,
  settings: TrainSettings = {},
): Promise<TrainResult> {
  return trainResolved(surroundings, await loadConfig(file, settings.overrides), settings);
}

async function trainResolved(
  surroundings: RunSurroundings,
  resolved: ResolvedConfig,
  { events = trainEvents() }: TrainSettings,
): Promise<TrainResult> {
  return startJob(surroundings, events, resolved.customModel, async (job) => {
    const prepared = await prepareRun(resolved, { events, job });
    const folder = RunFolder.create(prepared.config);
    writeFolder(folder, prepared, null);
    return { prepared, folder, resume: null };
  });
}

/**
 * Goes on with a run from its latest checkpoint. Under the plan it had, bit for bit; overrides may give it another plan or length.
 * Throws `runtime/no-run`, `checkpoint/…`, `runtime/run-completed`.
 */
export async function resumeRun(
  surroundings: RunSurroundings,
  path: string,
  { events = trainEvents(), overrides = [] }: TrainSettings = {},
): Promise<TrainResult> {
  return startJob(surroundings, events, null, async (job) => {
    const folder = RunFolder.open(path);
    const old = folder.readRecord();
    const resolved = await resolveAgain(folder, overrides);
    await requireEngine(resolved.config, job);
    const resume = await openLatest(nodeDisk, folder.checkpoints(resolved.config));
    try {
      const prepared = await prepareRun(resolved, { events, job });
      const steps = resolved.config.steps ?? old.steps;
      if (steps !== null && resume.manifest.step >= steps) throw runCompleted({ path: folder.path, steps });
      if (prepared.dataset.manifest.key !== old.dataKey) {
        const message =
          'the text has changed since the run began: it goes on with other batches than it would have had';
        events.emit({ kind: 'warning', code: 'runtime/data-changed', message });
      }
      writeFolder(folder, prepared, steps);
      return { prepared, folder, resume };
    } catch (error) {
      await resume.close();
      throw error;
    }
  });
}

/** A run that is ready for its ranks. */
interface BegunRun {
  readonly prepared: PreparedRun;
  readonly folder: RunFolder;
  /** Open; null for a new run. */
  readonly resume: Checkpoint | null;
}

/** Prepares the run where this process is to, and starts, leads or follows its job. */
async function startJob(
  surroundings: RunSurroundings,
  events: TrainEvents,
  customModel: LanguageModel | null,
  begin: (job: OuterJob | null) => Promise<BegunRun>,
): Promise<TrainResult> {
  const launchedAt = Date.now() - 1000 * process.uptime();
  const environment = rankFromEnvironment();
  const child = launchedRun();
  // A script that calls train() with a model of its own runs again in every rank.
  if (environment && child) return endRank(surroundings, environment, child, customModel);
  if (environment) return joinOuterJob({ surroundings, events, customModel, environment, launchedAt, begin });
  const begun = await begin(null);
  try {
    const result = await start({ surroundings, begun, events, customModel, launchedAt });
    return await finish(surroundings, begun, events, customModel, result);
  } finally {
    await begun.resume?.close();
  }
}

interface StartRequest {
  readonly surroundings: RunSurroundings;
  readonly begun: BegunRun;
  readonly events: TrainEvents;
  readonly customModel: LanguageModel | null;
  readonly launchedAt: number;
}

/** All virtual ranks in this process, or a process a rank. */
async function start({ surroundings, begun, events, customModel, launchedAt }: StartRequest): Promise<WorkerResult> {
  const { prepared, folder, resume } = begun;
  const { config, plan } = prepared;
  if (config.engine === 'reference') {
    const host = referenceHost();
    return work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops: null });
  }
  const peakFlops = await measuredPeak(config);
  const run: LaunchedRun = { folder: folder.path, checkpoint: resume?.path ?? null, launchedAt, peakFlops };
  prepared.dataset.close();
  return launchRanks(surroundings, run, ranksOf(plan), config, events, customModel !== null);
}

interface JoinRequest extends Omit<StartRequest, 'begun'> {
  readonly environment: RankEnvironment;
  readonly begin: (job: OuterJob | null) => Promise<BegunRun>;
}

/**
 * One rank of a job that torchrun, Slurm or MPI started. Rank 0 prepares the run and tells the others, over a store of its own that
 * lives as long as the job, where it is.
 */
async function joinOuterJob(job: JoinRequest): Promise<TrainResult> {
  const { surroundings, events, customModel, environment, launchedAt, begin } = job;
  await requireNativeEngine();
  const meeting = loadAddon().open({ device: 'cpu', threads: 1, arenaBytes: 4096 });
  try {
    await joinJob(meeting, environment);
    const generation = `${environment.generation}/run`;
    const member: RankEnvironment = { ...environment, generation, hostStore: false, storeFd: null };
    if (environment.rank !== 0) {
      const run = JSON.parse(new TextDecoder().decode(await meeting.storeGet('run', 3600))) as LaunchedRun;
      const result = await workAsRank(surroundings, member, run, customModel);
      return { folder: run.folder, ...result };
    }
    const begun = await begin(environment);
    const { prepared, folder, resume } = begun;
    const { config, plan } = prepared;
    if (ranksOf(plan) !== environment.worldSize) {
      throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
    }
    const peakFlops = await measuredPeak(config);
    const run: LaunchedRun = { folder: folder.path, checkpoint: resume?.path ?? null, launchedAt, peakFlops };
    await meeting.storeSet('run', JSON.stringify(run));
    const host = nativeHost(config, member);
    const result = await work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops });
    return await finish(surroundings, begun, events, customModel, result);
  } catch (error) {
    if (environment.errorFile) writeErrorFile(environment.errorFile, error);
    throw error;
  } finally {
    meeting.close();
  }
}

/** The sample and the summary, once the ranks are done. */
async function finish(
  surroundings: RunSurroundings,
  { prepared: { config }, folder }: BegunRun,
  events: TrainEvents,
  customModel: LanguageModel | null,
  result: WorkerResult,
): Promise<TrainResult> {
  const { sample } = config;
  if (!result.interrupted && sample.tokens > 0) {
    const options = { ...sample, topK: sample.top_k, seed: config.seed };
    const text = await generate(folder.path, options, () => {}, customModel);
    events.emit({ kind: 'sample', step: result.summary.steps, prompt: sample.prompt, text });
  }
  const summary = await withPeak(config, result.summary);
  surroundings.writeSummary(folder, summary);
  events.emit({ kind: 'summary', summary });
  return { folder: folder.path, summary, interrupted: result.interrupted };
}

/** A share above one says that the peak was measured while the machine was busy: it is measured again. */
async function withPeak(config: TrainConfig, summary: RunSummary): Promise<RunSummary> {
  if (summary.peakShare === null || summary.peakShare <= 1) return summary;
  const before = await measuredPeak(config);
  const now = await measuredPeak(config, { again: true });
  return { ...summary, peakShare: (summary.peakShare * before!) / now! };
}

async function resolveAgain(folder: RunFolder, overrides: readonly string[]): Promise<ResolvedConfig> {
  const file = folder.file('config.json');
  const config = await readConfig(file);
  // A length in steps takes the place of one in minutes.
  const givesSteps = overrides.some((text) => /^steps\s*=/.test(text));
  return resolveConfig(givesSteps ? { ...config, minutes: null } : config, { overrides, source: file });
}

function writeFolder(folder: RunFolder, { config, plan, dataset }: PreparedRun, steps: number | null): void {
  const named = { ...config, logging: { ...config.logging, name: folder.name } };
  folder.writeConfig(named);
  folder.writePlan(plan);
  folder.writeRecord({ data: dataset.folder, dataKey: dataset.manifest.key, steps: steps ?? config.steps });
  copyFileSync(dataset.tokenizerFile, folder.file('tokenizer.json'));
}

/** What a launched rank is told by its environment. */
interface LaunchedRun {
  readonly folder: string;
  readonly checkpoint: string | null;
  readonly launchedAt: number;
  readonly peakFlops: number | null;
}

const launchedRun = (): LaunchedRun | null =>
  process.env.FLOTILLA_RUN === undefined ? null : (JSON.parse(process.env.FLOTILLA_RUN) as LaunchedRun);

/** What rank 0 sends to its launcher. */
type RankMessage = { readonly event: TrainEvent } | { readonly result: WorkerResult };

async function launchRanks(
  { rankArguments }: RunSurroundings,
  run: LaunchedRun,
  ranks: number,
  config: TrainConfig,
  events: TrainEvents,
  sameScript: boolean,
): Promise<WorkerResult> {
  let result: WorkerResult | null = null;
  const printed: string[] = [];
  try {
    await launch({
      ranks,
      interruptSeconds: saveSeconds,
      output: ({ rank, line }) => printed.push(rank === 0 ? line : `[rank ${rank}] ${line}`),
      args: sameScript ? [...process.execArgv, ...process.argv.slice(1)] : rankArguments,
      env: {
        FLOTILLA_RUN: JSON.stringify(run),
        ...(config.threads !== null && { OMP_NUM_THREADS: String(config.threads) }),
      },
      onMessage(_rank, message) {
        const told = message as RankMessage;
        if ('event' in told) events.emit(told.event);
        else result = told.result;
      },
    });
  } catch (error) {
    // Stopped by a signal, the ranks have saved and said so: that is no failure. Of a failure, what ranks printed is the message.
    if (result === null || !(error instanceof DiagnosticError) || error.code !== 'runtime/interrupted') throw error;
  }
  for (const line of printed) process.stderr.write(`${line}\n`);
  return result!;
}

/** After Ctrl-C, ranks have this long to finish their step and save. */
const saveSeconds = 300;

/** A rank process of our launcher: what `rankArguments` runs. */
export async function rankMain(surroundings: RunSurroundings): Promise<void> {
  const environment = rankFromEnvironment();
  const run = launchedRun();
  if (!environment || !run)
    throw new Error('a rank process is started by its launcher, with RANK and FLOTILLA_RUN set');
  await runRank(environment, async () => void (await workAsRank(surroundings, environment, run, null)));
  process.exit(0);
}

async function endRank(
  surroundings: RunSurroundings,
  environment: RankEnvironment,
  run: LaunchedRun,
  customModel: LanguageModel | null,
): Promise<never> {
  await runRank(environment, async () => void (await workAsRank(surroundings, environment, run, customModel)));
  // What the script does after train() is the launcher's to do, once.
  process.exit(0);
}

/** A rank of a run whose folder is there. Rank 0 sends its events and its result to the launcher. */
async function workAsRank(
  surroundings: RunSurroundings,
  environment: RankEnvironment,
  run: LaunchedRun,
  customModel: LanguageModel | null,
): Promise<WorkerResult> {
  const folder = RunFolder.open(run.folder);
  const { config } = await resolveAgain(folder, []);
  // Rank 0 has looked at its own machine alone.
  requireDevice(config, { ranks: environment.worldSize, localRanks: environment.localWorldSize });
  const events = trainEvents();
  const send = (message: RankMessage) => process.send?.(message);
  if (environment.rank === 0) events.subscribe((event) => send({ event }));
  const context = customModel?.options.context ?? config.model.context;
  const dataset = openRunData(folder.readRecord().data, config, context);
  const model = customModel ?? (await loadModel(config, dataset.vocab));
  const plan = folder.readPlan();
  const resume =
    run.checkpoint === null ? null : await openCheckpoint(nodeDisk, run.checkpoint, { verify: 'structure' });
  const prepared = { config, model, plan, dataset };
  const host = nativeHost(config, environment);
  const { launchedAt, peakFlops } = run;
  const result = await work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops });
  if (environment.rank === 0 && process.send) {
    await new Promise<void>((sent) => process.send!({ result } satisfies RankMessage, () => sent()));
  }
  await resume?.close();
  return result;
}

interface WorkRequest {
  readonly surroundings: RunSurroundings;
  readonly prepared: PreparedRun;
  readonly folder: RunFolder;
  readonly resume: Checkpoint | null;
  readonly events: TrainEvents;
  readonly launchedAt: number;
  readonly host: EngineHost;
  readonly peakFlops: number | null;
}

/** This process's part of the training. The first Ctrl-C finishes the step and saves. */
async function work({ surroundings, prepared, folder, resume, ...rest }: WorkRequest): Promise<WorkerResult> {
  const leads = (rankFromEnvironment()?.rank ?? 0) === 0;
  const resumedFrom = resume?.manifest.step ?? null;
  const stop = leads ? surroundings.record(rest.events, folder, prepared.config, resumedFrom) : () => {};
  let interrupted = false;
  const interrupt = () => void (interrupted = true);
  process.on('SIGINT', interrupt);
  try {
    return await runWorker({
      ...prepared,
      ...rest,
      folder,
      resume,
      interrupted: () => interrupted,
      writeTrace: (launches) => surroundings.writeTrace(folder.file('trace.json'), launches),
    });
  } finally {
    process.off('SIGINT', interrupt);
    stop();
    prepared.dataset.close();
  }
}
