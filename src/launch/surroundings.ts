/** What surrounds a run: files made from its events, and the program that a rank process runs. */
import type { TrainConfig } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { RunSummary, TrainEvents } from '../train/events.js';
import type { TracedLaunch } from '../train/traced_launch.js';
import type { ScriptStop } from './script_stop.js';

/** A log in a run's folder, whatever becomes of the terminal. */
export interface RunLog {
  /**
   * Writes what has been told so far, and from now on every line. Into a folder that is not new, it does once the run
   * has started: what is refused before leaves the folder as it was.
   */
  into(folder: RunFolder, options: { readonly isNew: boolean }): void;
  /** Adds a line of its own. */
  say(text: string): void;
  close(): void;
}

export interface RunSurroundings {
  /** Keeps files of the run up to date with its events, until the function it returns is called. */
  record(events: TrainEvents, folder: RunFolder, config: TrainConfig, resumedFrom: number | null): () => void;
  /** Keeps what the run tells as lines, from before it has a folder. */
  openLog(events: TrainEvents): RunLog;
  /** Shows the progress of a run to whoever has started this process, until the function it returns is called. */
  showProgress(events: TrainEvents): () => void;
  writeTrace(file: string, launches: readonly TracedLaunch[]): void;
  writeSummary(folder: RunFolder, summary: RunSummary): void;
  /** Arguments of Node for a rank process: it calls `rankMain`. */
  readonly rankArguments: readonly string[];
  /** What the calls of a script have in common; absent where each stands for itself. */
  readonly script?: ScriptStop;
}
