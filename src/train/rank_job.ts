/** What one process of a training job is given, and what it has once its programs are loaded. */
import type { Checkpoint, Disk } from '../checkpoint/index.js';
import type { Dataset } from '../data/index.js';
import type { Engine, LoadedProgram } from '../engine/engine.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { AdamW } from '../optim/options.js';
import type { Plan } from '../plan/plan.js';
import type { TrainConfig } from '../config/schema.js';
import type { RunFolder } from '../run/folder.js';
import type { Peers } from '../run/peers.js';
import type { RunRecord } from '../run/record.js';
import type { StateTensor } from '../run/state.js';
import type { Clock } from './clock.js';
import type { RunPrograms } from './compile_run.js';
import type { Counters } from './counters.js';
import type { EngineHost } from './engine_host.js';
import type { TrainEvents } from './events.js';
import type { MemoryGauge } from './memory/gauge.js';
import type { TracedLaunch } from './traced_launch.js';

export interface RankJob {
  readonly folder: RunFolder;
  /** Token of the lock that the process group holds on it. */
  readonly lock: string;
  readonly config: TrainConfig;
  readonly model: LanguageModel;
  readonly plan: Plan;
  readonly dataset: Dataset;
  /** What the run has decided so far. */
  readonly record: RunRecord;
  readonly host: EngineHost;
  /** What the run goes on from; null: first values. */
  readonly resume: Checkpoint | null;
  readonly events: TrainEvents;
  /** Called once, before this process tells the others that it is ready: from then on it leaves only together with them. */
  readonly ready: () => void;
  /** True from when this process has been asked to stop. */
  readonly interrupted: () => boolean;
  /** True from when a signal of the system has asked it, and not its own script alone. */
  readonly signalled: () => boolean;
  /** Floating-point operations a second of this machine's measured peak; null where there is no measure. */
  readonly peakFlops: number | null;
  readonly writeTrace: (launches: readonly TracedLaunch[]) => void;
  /** Since 1970, in milliseconds: when the run was launched, set-up of the program itself included. */
  readonly launchedAt: number;
  readonly clock: Clock;
  readonly disk: Disk;
}

export interface LoadedJob extends RankJob {
  readonly programs: RunPrograms;
  readonly engine: Engine;
  readonly peers: Peers;
  readonly training: LoadedProgram;
  readonly validation: LoadedProgram;
  readonly optimizer: AdamW;
  /** Parameters and optimizer state, and where they lie. */
  readonly tensors: readonly StateTensor[];
  /** The arena of the rank that has the largest. */
  readonly peakBytes: number;
  readonly memory: MemoryGauge;
  /** Whether this process has rank 0, which tells of the run and writes its files. */
  readonly leads: boolean;
  /** What the run had done when this process began. */
  readonly begins: Counters;
  /** Of all ranks. */
  readonly tokensPerStep: number;
}
