/** What surrounds a run: files made from its events, and the program that a rank process runs. */
import type { TrainConfig } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { RunSummary, TrainEvents } from '../train/events.js';
import type { TracedLaunch } from '../train/traced_launch.js';

export interface RunSurroundings {
  /** Keeps files of the run up to date with its events, until the function it returns is called. */
  record(events: TrainEvents, folder: RunFolder, config: TrainConfig, resumedFrom: number | null): () => void;
  writeTrace(file: string, launches: readonly TracedLaunch[]): void;
  writeSummary(folder: RunFolder, summary: RunSummary): void;
  /** Arguments of Node for a rank process: it calls `rankMain`. */
  readonly rankArguments: readonly string[];
}
