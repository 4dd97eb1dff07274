/** This process's part of the training: the step loop, with its surroundings. */
import { nodeDisk, type Checkpoint } from '../checkpoint/index.js';
import type { RunFolder } from '../run/folder.js';
import { systemClock } from '../train/clock.js';
import type { EngineHost } from '../train/engine_host.js';
import type { TrainEvents } from '../train/events.js';
import type { PreparedRun } from '../train/prepare_run.js';
import { trainRank, type RankResult } from '../train/train_rank.js';
import type { StopCause, StopNote } from './stop_note.js';
import type { RunSurroundings } from './surroundings.js';

export interface WorkRequest {
  readonly surroundings: RunSurroundings;
  readonly prepared: PreparedRun;
  readonly folder: RunFolder;
  /** Token of the lock that the process group holds on it. */
  readonly lock: string;
  readonly resume: Checkpoint | null;
  readonly events: TrainEvents;
  readonly launchedAt: number;
  readonly host: EngineHost;
  readonly peakFlops: number | null;
  /** Of this process; the lowest of its ranks. */
  readonly rank: number;
  readonly stop: StopNote;
  /** Told of a wish to stop, while it trains. */
  readonly tellStop: (cause: StopCause) => void;
}

/** Trains to the end, or until it is to stop: then the step is finished and saved. */
export async function work({
  surroundings,
  prepared,
  folder,
  resume,
  rank,
  stop,
  tellStop,
  ...rest
}: WorkRequest): Promise<RankResult> {
  const resumedFrom = resume?.manifest.step ?? null;
  const stopRecording = rank === 0 ? surroundings.record(rest.events, folder, prepared.config, resumedFrom) : () => {};
  try {
    const result = await trainRank({
      ...prepared,
      ...rest,
      folder,
      resume,
      clock: systemClock,
      disk: nodeDisk,
      ready: () => stop.ready(tellStop),
      interrupted: () => stop.asked,
      signalled: () => stop.signalled,
      writeTrace: (launches) => surroundings.writeTrace(folder.file('trace.json'), launches),
    });
    stop.ready();
    return result;
  } finally {
    stopRecording();
    prepared.dataset.close();
  }
}
