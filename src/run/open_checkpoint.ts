/** A run's checkpoint, wherever it is. */
import { nodeDisk, openLatest, openStep, type Checkpoint, type LoadOptions } from '../checkpoint/index.js';
import { noCheckpoint, noSuchStep } from '../checkpoint/diagnostics.js';
import type { TrainConfig } from '../config/schema.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { checkpointFolders } from './checkpoint_folders.js';
import type { RunFolder } from './folder.js';

export interface OpenCheckpoint {
  /** Of which step; null: the latest. */
  readonly step?: number | null;
  readonly verify?: LoadOptions['verify'];
}

/**
 * Opens the latest checkpoint of a run, or that of a step, in whichever of its folders it is. Throws `checkpoint/…`.
 */
export async function openRunCheckpoint(
  folder: RunFolder,
  config: TrainConfig,
  { step = null, verify }: OpenCheckpoint = {},
): Promise<Checkpoint> {
  const options: LoadOptions = { ...(verify && { verify }), ...(folder.id !== null && { run: folder.id }) };
  let failure: DiagnosticError | null = null;
  for (const one of checkpointFolders(folder, folder.checkpoints(config))) {
    try {
      return await (step === null ? openLatest(nodeDisk, one, options) : openStep(nodeDisk, one, step, options));
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      const isThere = error.code !== noCheckpoint.code && error.code !== noSuchStep.code;
      if (isThere) throw error;
      // That a step is missing says more than that a folder is empty.
      if (failure === null || failure.code === noCheckpoint.code) failure = error;
    }
  }
  throw failure!;
}
