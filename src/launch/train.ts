/** Training, from options to a run folder, and going on with a run. */
import { copyFileSync } from 'node:fs';
import { nodeDisk, openLatest } from '../checkpoint/index.js';
import { loadConfig } from '../config/file.js';
import { withOwnModel, type ModelChoice } from '../config/own_model.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { TrainOptions } from '../config/schema.js';
import { recordTrust, trustFile } from '../config/trusted_modules.js';
import { runCompleted } from '../run/diagnostics.js';
import { RunFolder } from '../run/folder.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { prepareRun, requireEngine, type OuterJob, type PreparedRun } from '../train/prepare_run.js';
import type { BegunRun } from './begun_run.js';
import { resolveAgain } from './resolve_again.js';
import { startJob, type TrainResult } from './start_job.js';
import type { RunSurroundings } from './surroundings.js';

export interface TrainSettings {
  /** Told of everything; by default nobody is. */
  readonly events?: TrainEvents;
  /** `--set` overrides. */
  readonly overrides?: readonly string[];
  /** Where the options come from, for messages. */
  readonly source?: string;
}

/** Of a command that reads its configuration from a file, which may name a model that is code. */
export interface FileSettings extends Omit<TrainSettings, 'source'>, ModelChoice {}

/** Trains what the options describe. Under torchrun and the like, every rank calls it. Throws diagnostics. */
export async function trainWith(
  surroundings: RunSurroundings,
  options: TrainOptions,
  { events = trainEvents(), ...settings }: TrainSettings = {},
): Promise<TrainResult> {
  const resolved = resolveConfig(options, settings);
  return startJob({
    kind: 'train',
    surroundings,
    events,
    given: resolved.customModel,
    // A module that the options name, their author names.
    begin: async (job) => begin(await withOwnModel(resolved, { trustCode: true }, settings.source ?? ''), events, job),
  });
}

/** Trains what a configuration file describes. */
export async function trainFile(
  surroundings: RunSurroundings,
  file: string,
  { events = trainEvents(), overrides, ...choice }: FileSettings = {},
): Promise<TrainResult> {
  const resolved = await loadConfig(file, overrides, choice);
  return startJob({
    kind: 'train',
    surroundings,
    events,
    given: null,
    begin: (job) => begin(resolved, events, job),
  });
}

/** Prepares a new run and makes its folder. */
async function begin(resolved: ResolvedConfig, events: TrainEvents, job: OuterJob | null): Promise<BegunRun> {
  const prepared = await prepareRun(resolved, { events, job });
  const folder = RunFolder.create(prepared.config);
  writeFolder(folder, prepared, null);
  const { modelFile } = resolved;
  keepTrust(modelFile, events);
  return { prepared, modelFile, folder, resume: null };
}

/**
 * Goes on with a run from its latest checkpoint. Under the plan it had, bit for bit; overrides may give it another plan or length.
 * Throws `run/not-found`, `checkpoint/…`, `run/completed`, and `config/code-not-trusted` where its model is code that this user has not
 * trained with.
 */
export async function resumeRun(
  surroundings: RunSurroundings,
  path: string,
  { events = trainEvents(), overrides = [], ...choice }: FileSettings = {},
): Promise<TrainResult> {
  const { model } = choice;
  return startJob({
    kind: 'resume',
    surroundings,
    events,
    given: model === undefined || typeof model === 'string' ? null : model,
    async begin(job) {
      const folder = RunFolder.open(path);
      const old = folder.readRecord();
      const resolved = await withOwnModel(resolveAgain(folder, overrides), choice, folder.file('config.json'));
      await requireEngine(resolved.config, job);
      const resume = await openLatest(nodeDisk, folder.checkpoints(resolved.config));
      try {
        const prepared = await prepareRun(resolved, { events, job });
        const steps = resolved.config.steps ?? old.steps;
        if (steps !== null && resume.manifest.step >= steps) throw runCompleted({ path: folder.path, steps });
        if (prepared.dataset.manifest.key !== old.dataKey) {
          const message =
            'the text has changed since the run began: it goes on with other batches than it would have had';
          events.emit({ kind: 'warning', code: 'run/data-changed', message });
        }
        writeFolder(folder, prepared, steps);
        const { modelFile } = resolved;
        keepTrust(modelFile, events);
        return { prepared, modelFile, folder, resume };
      } catch (error) {
        await resume.close();
        throw error;
      }
    },
  });
}

/** Who trains with a module may go on with the run, and sample from it, without being asked. */
function keepTrust(module: string | null, events: TrainEvents): void {
  if (module === null) return;
  try {
    recordTrust(module);
  } catch (error) {
    const message = `${trustFile()} cannot be written (${(error as Error).message}): resume and generate will ask for --trust-code`;
    events.emit({ kind: 'warning', code: 'config/trust-not-kept', message });
  }
}

function writeFolder(folder: RunFolder, { config, plan, dataset }: PreparedRun, steps: number | null): void {
  const named = { ...config, logging: { ...config.logging, name: folder.name } };
  folder.writeConfig(named);
  folder.writePlan(plan);
  folder.writeRecord({ data: dataset.folder, dataKey: dataset.manifest.key, steps: steps ?? config.steps });
  copyFileSync(dataset.tokenizerFile, folder.file('tokenizer.json'));
}
