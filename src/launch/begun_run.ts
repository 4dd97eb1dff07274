/** A run that is ready for its ranks. */
import type { Checkpoint } from '../checkpoint/index.js';
import type { RunFolder } from '../run/folder.js';
import type { RunLock } from '../run/lock.js';
import type { OuterJob, PreparedRun } from '../train/prepare_run.js';

export interface BegunRun {
  readonly prepared: PreparedRun;
  readonly folder: RunFolder;
  /** Of the folder; released when the run ends. */
  readonly lock: RunLock;
  /** Where its configuration, plan and record lie until the first step: the folder itself, or what a resume has staged in it. */
  readonly state: RunFolder;
  /** Open; null for a new run. */
  readonly resume: Checkpoint | null;
}

/** Makes a run ready, in the one process that is to. `job`: that which another launcher has started; null where the ranks are ours. */
export type Begin = (job: OuterJob | null) => Promise<BegunRun>;
