/** Training, from options to a run folder, and going on with a run. */
import { copyFileSync } from 'node:fs';
import { nodeDisk, openLatest } from '../checkpoint/index.js';
import { loadConfig } from '../config/file.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { TrainOptions } from '../config/schema.js';
import { runCompleted } from '../run/diagnostics.js';
import { RunFolder } from '../run/folder.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { prepareRun, requireEngine, type PreparedRun } from '../train/prepare_run.js';
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
  const { customModel } = resolved;
  return startJob({
    surroundings,
    events,
    customModel,
    async begin(job) {
      const prepared = await prepareRun(resolved, { events, job });
      const folder = RunFolder.create(prepared.config);
      writeFolder(folder, prepared, null);
      return { prepared, folder, resume: null };
    },
  });
}

/**
 * Goes on with a run from its latest checkpoint. Under the plan it had, bit for bit; overrides may give it another plan or length.
 * Throws `run/not-found`, `checkpoint/…`, `run/completed`.
 */
export async function resumeRun(
  surroundings: RunSurroundings,
  path: string,
  { events = trainEvents(), overrides = [] }: TrainSettings = {},
): Promise<TrainResult> {
  return startJob({
    surroundings,
    events,
    customModel: null,
    async begin(job) {
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
          events.emit({ kind: 'warning', code: 'run/data-changed', message });
        }
        writeFolder(folder, prepared, steps);
        return { prepared, folder, resume };
      } catch (error) {
        await resume.close();
        throw error;
      }
    },
  });
}

function writeFolder(folder: RunFolder, { config, plan, dataset }: PreparedRun, steps: number | null): void {
  const named = { ...config, logging: { ...config.logging, name: folder.name } };
  folder.writeConfig(named);
  folder.writePlan(plan);
  folder.writeRecord({ data: dataset.folder, dataKey: dataset.manifest.key, steps: steps ?? config.steps });
  copyFileSync(dataset.tokenizerFile, folder.file('tokenizer.json'));
}
