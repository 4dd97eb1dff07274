/** Training, from options to a run folder, and going on with a run. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { absolutePaths } from '../config/absolute_paths.js';
import { loadConfig } from '../config/file.js';
import { withOwnModel, type ModelChoice } from '../config/own_model.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { TrainOptions } from '../config/schema.js';
import { requireSettings, type Names } from '../config/settings.js';
import { textOf } from '../options/plain.js';
import { recordTrust, trustFile } from '../config/trusted_modules.js';
import { closedOnError } from '../data/dataset.js';
import { sourcesName } from '../data/source_list.js';
import { systemProblem } from '../ir/system_error.js';
import { lockRun, makeRun, requireFreePlace, requireGoingOn } from '../run/begin.js';
import { stepOfChoice, type CheckpointChoice } from '../run/checkpoint_choice.js';
import { RunFolder } from '../run/folder.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import { discardStaged, stageIn } from '../run/staged.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { inSetup } from '../train/in_setup.js';
import { prepareResume } from '../train/prepare_resume.js';
import { prepareRun, requireEngine, type OuterJob, type UnwrittenRun } from '../train/prepare_run.js';
import type { BegunRun } from './begun_run.js';
import { notAbortSignal } from './diagnostics.js';
import { resolveAgain } from './resolve_again.js';
import { startJob, type TrainResult } from './start_job.js';
import { requireUnaborted } from './stop_note.js';
import type { RunSurroundings } from './surroundings.js';
import type { Override } from '../config/overrides.js';

export interface TrainSettings {
  /** Told of everything. What is shown of a run does not depend on it: that is `logging.console`. */
  readonly events?: TrainEvents;
  /**
   * Stops the run as Ctrl-C does, and lets the script go on: after the step that runs, saved; what the call gives then says `interrupted`
   * and `aborted`. Before the first step the call throws `launch/aborted`: nothing was trained.
   */
  readonly signal?: AbortSignal;
  /** `--set` overrides. */
  readonly overrides?: readonly Override[];
  /** Where the options come from, for messages. */
  readonly source?: string;
}

/** Of a command that reads its configuration from a file, which may name a model that is code. */
export interface FileSettings extends Omit<TrainSettings, 'source'>, ModelChoice {}

export interface ResumeSettings extends FileSettings {
  /** Whether a model that is not the one the run has trained goes on with its weights. Default false: it is refused. */
  readonly accept_model_change?: boolean;
  /**
   * The checkpoint to go on from: a step, the name of its folder, or `latest`; null: the latest. Those of later steps are the first to go as
   * new ones are saved.
   */
  readonly checkpoint?: CheckpointChoice | null;
}

const trainNames: Names<TrainSettings> = { events: true, signal: true, overrides: true, source: true };

const resumeNames: Names<ResumeSettings> = {
  events: true,
  signal: true,
  overrides: true,
  model: true,
  trust_code: true,
  accept_model_change: true,
  checkpoint: true,
};

/** Trains what the options describe. Under torchrun and the like, every rank calls it. Throws diagnostics. */
export async function trainWith(
  surroundings: RunSurroundings,
  options: TrainOptions,
  settings: TrainSettings = {},
): Promise<TrainResult> {
  requireSettings('train', settings, trainNames);
  const { events = trainEvents(), signal } = settings;
  requireSignal('train', signal);
  const resolved = resolveConfig(options, settings);
  return startJob({
    kind: 'train',
    surroundings,
    events,
    given: resolved.customModel,
    shows: () => resolved.config.logging.console,
    abort: signal,
    // A module that the options name, their author names.
    begin: async (job) =>
      begin(await withOwnModel(resolved, { trust_code: true }, settings.source ?? ''), { events, signal, job }),
  });
}

/** Trains what a configuration file describes. */
export async function trainFile(
  surroundings: RunSurroundings,
  file: string,
  { events = trainEvents(), signal, overrides, ...choice }: FileSettings = {},
): Promise<TrainResult> {
  const resolved = await loadConfig(file, overrides, choice);
  return startJob({
    kind: 'train',
    surroundings,
    events,
    given: null,
    shows: () => resolved.config.logging.console,
    abort: signal,
    begin: (job) => begin(resolved, { events, signal, job }),
  });
}

interface BeginRequest {
  readonly events: TrainEvents;
  readonly signal: AbortSignal | undefined;
  readonly job: OuterJob | null;
}

/** Prepares a new run and makes its folder: not where the call has been aborted meanwhile. */
async function begin(resolved: ResolvedConfig, { events, signal, job }: BeginRequest): Promise<BegunRun> {
  await requireFreePlace(resolved.config);
  for (const warning of resolved.warnings) events.emit({ kind: 'warning', ...warning });
  const prepared = await prepareRun(resolved, { events, job });
  return closedOnError(prepared.dataset, async () => {
    requireUnaborted(signal);
    const { folder, lock, startsOver } = await makeRun(prepared.config);
    if (startsOver) {
      const message = `a run in ${folder.path} had left no checkpoint: this one takes its place`;
      events.emit({ kind: 'warning', code: 'run/starts-over', message });
    }
    return lock.releasedOnError(() => {
      writeFolder(folder, folder.name, prepared);
      folder.write('tokenizer.json', readFileSync(prepared.dataset.tokenizerFile));
      const sources = join(prepared.dataset.folder, sourcesName);
      // Data that an earlier version prepared has none.
      if (existsSync(sources)) folder.write(sourcesName, readFileSync(sources));
      const { modelFile } = resolved;
      keepTrust(modelFile, events);
      return { prepared, modelFile, folder, lock, state: folder, resume: null };
    });
  });
}

/**
 * Goes on with a run from its latest checkpoint, or that of a step, with its own data, tokenizer and model. Under the plan it had, bit for
 * bit; overrides may give it another plan, batch or length. What is refused has changed nothing: the folder is written when the state is
 * loaded. Throws `run/…`, `checkpoint/…`, `config/code-not-trusted` where its model is code that this user has not trained with, and what
 * `train` throws.
 */
export async function resumeRun(
  surroundings: RunSurroundings,
  path: string,
  settings: ResumeSettings = {},
): Promise<TrainResult> {
  requireSettings('resume', settings, resumeNames);
  const {
    events = trainEvents(),
    signal,
    overrides = [],
    accept_model_change = false,
    checkpoint = null,
    ...choice
  } = settings;
  const { model } = choice;
  requireSignal('resume', signal);
  const step = stepOfChoice(checkpoint ?? 'latest');
  return startJob({
    kind: 'resume',
    surroundings,
    events,
    given: model === undefined || typeof model === 'string' ? null : model,
    shows: () => isShown(path, overrides),
    abort: signal,
    async begin(job) {
      const folder = RunFolder.open(path);
      const record = folder.readRecord();
      const { config: before } = resolveAgain(folder, []);
      const resolved = await withOwnModel(resolveAgain(folder, overrides), choice, folder.file('config.json'));
      const { customModel, modelFile, warnings } = resolved;
      const config = absolutePaths(resolved.config, process.cwd());
      await requireEngine(config, job);
      await requireGoingOn(folder, config);
      const resume = await inSetup(events, 'checkpoint: checking', () => openRunCheckpoint(folder, config, { step }));
      try {
        const request = { folder, record, before, config, customModel, checkpoint: resume, accept_model_change };
        const prepared = await prepareResume({ ...request, events, job });
        for (const warning of warnings) events.emit({ kind: 'warning', ...warning });
        return await closedOnError(prepared.dataset, async () => {
          const lock = await lockRun(folder, config, resume, { step });
          return lock.releasedOnError(() => {
            try {
              const state = stageIn(folder);
              writeFolder(state, folder.name, prepared);
              keepTrust(modelFile, events);
              return { prepared, modelFile, folder, lock, state, resume };
            } catch (error) {
              discardStaged(folder);
              throw error;
            }
          });
        });
      } catch (error) {
        await resume.close();
        throw error;
      }
    },
  });
}

/** Throws `launch/not-a-signal`. */
function requireSignal(call: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  const given = signal instanceof AbortController ? 'an AbortController' : textOf(signal);
  throw notAbortSignal({ call, given });
}

/** Whether a run that is gone on with is shown; one that cannot be read is refused later, with the reason. */
function isShown(path: string, overrides: readonly Override[]): boolean {
  try {
    return resolveAgain(RunFolder.open(path), overrides).config.logging.console;
  } catch {
    return true;
  }
}

/** Who trains with a module may go on with the run, and sample from it, without being asked. */
function keepTrust(module: string | null, events: TrainEvents): void {
  if (module === null) return;
  try {
    recordTrust(module);
  } catch (error) {
    const message = `${trustFile()} cannot be written (${systemProblem(error).problem}): resume and generate will ask for --trust-code`;
    events.emit({ kind: 'warning', code: 'config/trust-not-kept', message });
  }
}

/** `name`: of the run, which is that of its folder, wherever it has been moved. */
function writeFolder(folder: RunFolder, name: string, { config, plan, record, forward }: UnwrittenRun): void {
  folder.writeConfig({ ...config, logging: { ...config.logging, name } });
  folder.writePlan(plan);
  folder.write('model.ir', forward);
  folder.writeRecord(record);
}
