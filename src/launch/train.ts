/** Training, from options to a run folder, and going on with a run. */
import { copyFileSync } from 'node:fs';
import { loadConfig } from '../config/file.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { TrainOptions } from '../config/schema.js';
import { runCompleted } from '../run/diagnostics.js';
import { lockRun, makeRun, mark, requireFreePlace, requireGoingOn } from '../run/begin.js';
import { RunFolder } from '../run/folder.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { prepareRun, requireEngine, type PreparedRun } from '../train/prepare_run.js';
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

export interface ResumeSettings extends TrainSettings {
  /** Step of the checkpoint to go on from; null: the latest. Those of later steps are the first to go as new ones are saved. */
  readonly checkpoint?: number | null;
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
      await requireFreePlace(resolved.config);
      const prepared = await prepareRun(resolved, { events, job });
      const { folder, lock, startsOver } = await makeRun(prepared.config);
      if (startsOver) {
        const message = `a run in ${folder.path} had left no checkpoint: this one takes its place`;
        events.emit({ kind: 'warning', code: 'run/starts-over', message });
      }
      return begun({ prepared, folder, lock, resume: null }, null);
    },
  });
}

/**
 * Goes on with a run from its latest checkpoint, or that of a step. Under the plan it had, bit for bit; overrides may give it another plan or length.
 * Throws `run/not-found`, `checkpoint/…`, `run/completed`.
 */
export async function resumeRun(
  surroundings: RunSurroundings,
  path: string,
  { events = trainEvents(), overrides = [], checkpoint = null }: ResumeSettings = {},
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
      await requireGoingOn(folder, resolved.config);
      const resume = await openRunCheckpoint(folder, resolved.config, { step: checkpoint });
      try {
        const prepared = await prepareRun(resolved, { events, job });
        const steps = resolved.config.steps ?? old.steps;
        if (steps !== null && resume.manifest.step >= steps) throw runCompleted({ path: folder.path, steps });
        if (prepared.dataset.manifest.key !== old.dataKey) {
          const message =
            'the text has changed since the run began: it goes on with other batches than it would have had';
          events.emit({ kind: 'warning', code: 'run/data-changed', message });
        }
        const lock = await lockRun(folder, resolved.config, resume, { step: checkpoint });
        return begun({ prepared, folder, lock, resume }, steps);
      } catch (error) {
        await resume.close();
        throw error;
      }
    },
  });
}

/** A run whose folder says what is to run. */
function begun(run: BegunRun, steps: number | null): BegunRun {
  const { folder, lock, prepared } = run;
  try {
    mark(folder, prepared.config);
    writeFolder(folder, prepared, steps);
    return run;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function writeFolder(folder: RunFolder, { config, plan, dataset }: PreparedRun, steps: number | null): void {
  const named = { ...config, logging: { ...config.logging, name: folder.name } };
  folder.writeConfig(named);
  folder.writePlan(plan);
  folder.writeRecord({ data: dataset.folder, dataKey: dataset.manifest.key, steps: steps ?? config.steps });
  copyFileSync(dataset.tokenizerFile, folder.file('tokenizer.json'));
}
