/** A run that is ready for its ranks. */
import type { Checkpoint } from '../checkpoint/index.js';
import type { RunFolder } from '../run/folder.js';
import type { RunLock } from '../run/lock.js';
import type { OuterJob, PreparedRun } from '../train/prepare_run.js';
import type { LaunchedRun } from './messages.js';
import { discardStaged } from '../run/staged.js';
import { modelHash } from './model_hash.js';

export interface BegunRun {
  readonly prepared: PreparedRun;
  /** The module that constructed the run's own model; null where none did. */
  readonly modelFile: string | null;
  readonly folder: RunFolder;
  /** Of the folder; released when the run ends. */
  readonly lock: RunLock;
  /** Where its configuration, plan and record lie until the first step: the folder itself, or what a resume has staged in it. */
  readonly state: RunFolder;
  /** Open; null for a new run. */
  readonly resume: Checkpoint | null;
}

/** What ranks are told of a run, but for the calls of the script before it. */
export const toldRun = (
  begun: BegunRun,
  started: Pick<LaunchedRun, 'launchedAt' | 'peakFlops' | 'call'>,
): Omit<LaunchedRun, 'endedCalls'> => ({
  folder: begun.folder.path,
  lock: begun.lock.token,
  state: begun.state.path,
  checkpoint: begun.resume?.path ?? null,
  ...started,
  module: moduleOf(begun),
});

const moduleOf = ({ modelFile, prepared }: BegunRun): LaunchedRun['module'] =>
  modelFile === null ? null : { file: modelFile, model: modelHash(prepared.model) };

/** What the process that made a run ready works with itself. */
export const ownPart = ({ prepared, folder, lock, resume }: BegunRun) => ({
  prepared,
  folder,
  lock: lock.token,
  resume,
});

/** Lets go of a run, however it ended. */
export async function letGo({ prepared, folder, resume, lock }: BegunRun): Promise<void> {
  prepared.dataset.close();
  discardStaged(folder);
  await resume?.close();
  lock.release();
}

/** Makes a run ready, in the one process that is to. `job`: that which another launcher has started; null where the ranks are ours. */
export type Begin = (job: OuterJob | null) => Promise<BegunRun>;
