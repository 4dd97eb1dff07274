/**
 * Training, from options to a run folder.
 *
 * Where no launcher has said which rank this process is, it prepares the run and launches one process a rank, or, on the reference
 * engine, runs all ranks itself. Each process of a job then does what `worker.ts` says.
 */
import { copyFileSync } from 'node:fs';
import { nodeDisk, openCheckpoint, openLatest, type Checkpoint } from '../checkpoint/index.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { ranksOf } from '../plan/plan.js';
import { loadConfig, loadModel, readConfig } from './config.js';
import { runCompleted, worldSizeDiffers } from './diagnostics.js';
import { trainEvents, type RunSummary, type TrainEvent, type TrainEvents } from './events.js';
import { generate } from './generate.js';
import { nativeHost, referenceHost } from './hosts.js';
import { launch } from './launch/launch.js';
import { rankFromEnvironment, type RankEnvironment } from './launch/environment.js';
import { runRank } from './launch/rank_process.js';
import { measuredPeak } from './matmul_peak.js';
import type { TrainConfig, TrainOptions } from './options.js';
import { openRunData, prepareRun, type PreparedRun } from './prepare_run.js';
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
  const launchedAt = Date.now() - 1000 * process.uptime();
  const environment = rankFromEnvironment();
  const child = launchedRun();
  // A script that calls train() and could not be described by a config runs again in every rank.
  if (environment && child) return endRank(surroundings, environment, child, resolved);
  if (environment && environment.rank !== 0) return followRank(surroundings, environment, resolved, launchedAt);
  const prepared = await prepareRun(resolved, { events, worldSize: environment?.worldSize ?? null });
  const folder = RunFolder.create(prepared.config);
  writeFolder(folder, prepared, null);
  return startRun({ surroundings, prepared, folder, resume: null, events, launchedAt, environment, resolved });
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
  const launchedAt = Date.now() - 1000 * process.uptime();
  const folder = RunFolder.open(path);
  const old = folder.readRecord();
  const resolved = await resolveAgain(folder, overrides);
  const resume = await openLatest(nodeDisk, folder.checkpoints(resolved.config));
  try {
    const prepared = await prepareRun(resolved, { events, worldSize: null });
    const steps = resolved.config.steps ?? old.steps;
    if (steps !== null && resume.manifest.step >= steps) throw runCompleted({ path: folder.path, steps });
    if (prepared.dataset.manifest.key !== old.dataKey) {
      const message = 'the text has changed since the run began: it goes on with other batches than it would have had';
      events.emit({ kind: 'warning', code: 'runtime/data-changed', message });
    }
    writeFolder(folder, prepared, steps);
    return await startRun({ surroundings, prepared, folder, resume, events, launchedAt, environment: null, resolved });
  } finally {
    await resume.close();
  }
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

interface StartRequest {
  readonly surroundings: RunSurroundings;
  readonly prepared: PreparedRun;
  readonly folder: RunFolder;
  readonly resume: Checkpoint | null;
  readonly events: TrainEvents;
  readonly launchedAt: number;
  readonly environment: RankEnvironment | null;
  readonly resolved: ResolvedConfig;
}

async function startRun(request: StartRequest): Promise<TrainResult> {
  const { prepared, folder, resume, events, launchedAt, surroundings, environment, resolved } = request;
  const { config, plan } = prepared;
  let result: WorkerResult;
  if (config.engine === 'reference' || environment) {
    if (environment && ranksOf(plan) !== environment.worldSize) {
      throw worldSizeDiffers({ world: environment.worldSize, plan: ranksOf(plan), where: 'the plan' });
    }
    const host = environment ? nativeHost(config, environment) : referenceHost();
    const peakFlops = environment ? await measuredPeak(config) : null;
    result = await work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops });
  } else {
    const peakFlops = await measuredPeak(config);
    const run: LaunchedRun = { folder: folder.path, checkpoint: resume?.path ?? null, launchedAt, peakFlops };
    prepared.dataset.close();
    result = await launchRanks(surroundings, run, ranksOf(plan), config, events, resolved.customModel !== null);
  }
  const { sample } = config;
  if (!result.interrupted && sample.tokens > 0) {
    const text = await generate(folder.path, { ...sample, topK: sample.top_k, seed: config.seed });
    events.emit({ kind: 'sample', step: result.summary.steps, prompt: sample.prompt, text });
  }
  surroundings.writeSummary(folder, result.summary);
  events.emit({ kind: 'summary', summary: result.summary });
  return { folder: folder.path, ...result };
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
  if (!environment || !run) throw new Error('a rank process is started by its launcher, with RANK and FLOTILLA_RUN set');
  await runRank(environment, () => workAsRank(surroundings, environment, run, null));
  process.exit(0);
}

async function endRank(
  surroundings: RunSurroundings,
  environment: RankEnvironment,
  run: LaunchedRun,
  resolved: ResolvedConfig,
): Promise<never> {
  await runRank(environment, () => workAsRank(surroundings, environment, run, resolved));
  // What the script does after train() is the launcher's to do, once.
  process.exit(0);
}

async function workAsRank(
  surroundings: RunSurroundings,
  environment: RankEnvironment,
  run: LaunchedRun,
  resolved: ResolvedConfig | null,
): Promise<void> {
  const folder = RunFolder.open(run.folder);
  const { config } = await resolveAgainPlain(folder);
  const record = folder.readRecord();
  const events = trainEvents();
  const send = (message: RankMessage) => process.send?.(message);
  if (environment.rank === 0) events.subscribe((event) => send({ event }));
  const context = resolved?.customModel?.options.context ?? config.model.context;
  const dataset = openRunData(record.data, config, context);
  const model = resolved?.customModel ?? (await loadModel(config, dataset.vocab));
  const plan = folder.readPlan();
  const resume = run.checkpoint === null ? null : await openCheckpoint(nodeDisk, run.checkpoint, { verify: 'structure' });
  const prepared = { config, model, plan, dataset };
  const host = nativeHost(config, environment);
  const { launchedAt, peakFlops } = run;
  const result = await work({ surroundings, prepared, folder, resume, events, launchedAt, host, peakFlops });
  if (environment.rank === 0) await new Promise<void>((sent) => void (process.send?.({ result }, () => sent()) ?? sent()));
}

const resolveAgainPlain = (folder: RunFolder): Promise<ResolvedConfig> => resolveAgain(folder, []);

/** A rank above 0 of another launcher's job: it waits until rank 0 has made the run folder. */
async function followRank(
  surroundings: RunSurroundings,
  environment: RankEnvironment,
  resolved: ResolvedConfig,
  launchedAt: number,
): Promise<TrainResult> {
  const prepared = await prepareRun(resolved, { events: trainEvents(), worldSize: environment.worldSize });
  const folder = new RunFolder(prepared.dataset.folder);
  const host = nativeHost(prepared.config, environment);
  const events = trainEvents();
  const result = await work({ surroundings, prepared, folder, resume: null, events, launchedAt, host, peakFlops: null });
  return { folder: folder.path, ...result };
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
