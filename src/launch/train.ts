/** Training, from options to a run folder, and going on with a run. */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { absolutePaths } from '../config/absolute_paths.js';
import { loadConfig } from '../config/file.js';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.js';
import type { TrainOptions } from '../config/schema.js';
import { sourcesName } from '../data/source_list.js';
import { lockRun, makeRun, requireFreePlace, requireGoingOn } from '../run/begin.js';
import { RunFolder } from '../run/folder.js';
import { openRunCheckpoint } from '../run/open_checkpoint.js';
import { discardStaged, stageIn } from '../run/staged.js';
import { trainEvents, type TrainEvents } from '../train/events.js';
import { prepareResume } from '../train/prepare_resume.js';
import { prepareRun, requireEngine, type UnwrittenRun } from '../train/prepare_run.js';
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
  /** Whether a model that is not the one the run has trained goes on with its weights. Default false: it is refused. */
  readonly acceptModelChange?: boolean;
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
      for (const warning of resolved.warnings) events.emit({ kind: 'warning', ...warning });
      const prepared = await prepareRun(resolved, { events, job });
      const { folder, lock, startsOver } = await makeRun(prepared.config);
      if (startsOver) {
        const message = `a run in ${folder.path} had left no checkpoint: this one takes its place`;
        events.emit({ kind: 'warning', code: 'run/starts-over', message });
      }
      return lock.releasedOnError(() => {
        writeFolder(folder, folder.name, prepared);
        copyFileSync(prepared.dataset.tokenizerFile, folder.file('tokenizer.json'));
        const sources = join(prepared.dataset.folder, sourcesName);
        // Data that an earlier version prepared has none.
        if (existsSync(sources)) copyFileSync(sources, folder.file(sourcesName));
        return { prepared, folder, lock, state: folder, resume: null };
      });
    },
  });
}

/**
 * Goes on with a run from its latest checkpoint, or that of a step, with its own data, tokenizer and model. Under the plan it had, bit for
 * bit; overrides may give it another plan, batch or length. What is refused has changed nothing: the folder is written when the state is loaded.
 * Throws `run/…`, `checkpoint/…`, and what `train` throws.
 */
export async function resumeRun(
  surroundings: RunSurroundings,
  path: string,
  { events = trainEvents(), overrides = [], acceptModelChange = false, checkpoint = null }: ResumeSettings = {},
): Promise<TrainResult> {
  return startJob({
    surroundings,
    events,
    customModel: null,
    async begin(job) {
      const folder = RunFolder.open(path);
      const record = folder.readRecord();
      const { config: before } = await resolveAgain(folder, []);
      const { config: asked, customModel, warnings } = await resolveAgain(folder, overrides);
      const config = absolutePaths(asked, process.cwd());
      await requireEngine(config, job);
      await requireGoingOn(folder, config);
      const resume = await openRunCheckpoint(folder, config, { step: checkpoint });
      try {
        const request = { folder, record, before, config, customModel, checkpoint: resume, acceptModelChange };
        const prepared = await prepareResume({ ...request, events, job });
        for (const warning of warnings) events.emit({ kind: 'warning', ...warning });
        const lock = await lockRun(folder, config, resume, { step: checkpoint });
        return lock.releasedOnError(() => {
          try {
            const state = stageIn(folder);
            writeFolder(state, folder.name, prepared);
            return { prepared, folder, lock, state, resume };
          } catch (error) {
            discardStaged(folder);
            throw error;
          }
        });
      } catch (error) {
        await resume.close();
        throw error;
      }
    },
  });
}

/** `name`: of the run, which is that of its folder, wherever it has been moved. */
function writeFolder(folder: RunFolder, name: string, { config, plan, record, forward }: UnwrittenRun): void {
  folder.writeConfig({ ...config, logging: { ...config.logging, name } });
  folder.writePlan(plan);
  folder.write('model.ir', forward);
  folder.writeRecord(record);
}
