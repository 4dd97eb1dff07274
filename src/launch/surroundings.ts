/** What surrounds a run: files made from its events, and the program that a rank process runs. */
import type { TrainConfig } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { LossCurve, TokenFacts } from '../run/loss_curve.js';
import type { EngineHost } from '../train/engine_host.js';
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
  /** Draws the run's losses into its folder. `facts`: what its files do not say yet. */
  drawCurve(folder: RunFolder, facts: TokenFacts): { readonly file: string; readonly curve: LossCurve };
  writeSummary(folder: RunFolder, summary: RunSummary): void;
  /** Arguments of Node for a rank process: it calls `rankMain`. */
  readonly rankArguments: readonly string[];
  /** Where virtual ranks run. Absent: on the reference engine as it is. */
  readonly virtualRanks?: () => EngineHost;
  /** What the calls of a script have in common; absent where each stands for itself. */
  readonly script?: ScriptStop;
}
