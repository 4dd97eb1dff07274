/** Where a process's ranks run, as the step loop is given it. */
import type { Engine, LoadedProgram } from '../engine/engine.js';
import type { DeviceType } from '../kernels/device.js';
import type { Peers } from '../run/peers.js';
import type { TracedLaunch } from './traced_launch.js';

/** An engine for this process's ranks, opened once the size of its arena is known. */
export interface EngineHost {
  readonly kind: 'native' | 'reference';
  readonly device: DeviceType;
  /** The one rank that this process runs; null: all ranks of the job. */
  readonly rank: number | null;
  open(arenaBytes: number): Promise<OpenedEngine>;
  /** Takes notes of what the engine did in a step, where it can tell. */
  readonly trace?: StepTracer;
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly peers: Peers;
  /** Bytes that this process takes now where its ranks compute, its runtime included; null where that is not known. */
  readonly memoryBytes: () => number | null;
}

/** Records launches of a few steps. */
export interface StepTracer {
  run(program: LoadedProgram): Promise<{ readonly seconds: number }>;
  readonly launches: readonly TracedLaunch[];
}
