/** Engines for all ranks of a run, in this one process: a step of it can be taken again wherever they fit. */
import { meet } from '../../engine/native/meet.js';
import { NativeEngine } from '../../engine/native/engine.js';
import { watchedArenaBytes } from '../../engine/native/watch.js';
import type { Engine } from '../../engine/engine.js';
import { ReferenceEngine } from '../../engine/reference/index.js';
import { placeRanks } from '../../engine/reference/virtual_rank.js';
import type { TrainConfig } from '../../config/schema.js';
import { deviceTypeOf } from '../../kernels/device.js';
import { ops } from '../../ops/index.js';
import type { Program } from '../../program/program.js';
import { deviceOf, requireDevice } from '../../train/device.js';
import { threadsPerRank } from '../../train/threads.js';
import { hostMemory } from '../../train/memory/host_memory.js';
import { tooLarge } from '../diagnostics.js';

export interface OpenedEngines {
  readonly engines: readonly Engine[];
  /** Ends all waits of one for another, where one of them has failed. */
  abort(reason: string): void;
  close(): Promise<void>;
}

/** Opens engines that can watch a program. `path`: of the run, for messages. Throws `engine/…`, `compare/too-large`. */
export type OpenEngines = (path: string, config: TrainConfig, program: Program) => Promise<OpenedEngines>;

export const openEngines: OpenEngines = async (path, config, program) => {
  if (config.engine === 'reference') {
    const engine = new ReferenceEngine({ registry: ops });
    return { engines: [engine], abort: () => {}, close: () => engine.close() };
  }
  const ranks = placeRanks(program).map(({ rank }) => rank);
  requireDevice(config, { ranks: ranks.length, localRanks: ranks.length });
  const arenas = ranks.map((rank) => {
    const device = deviceTypeOf(deviceOf(config, rank));
    return watchedArenaBytes({ registry: ops, program, rank, device });
  });
  const bytes = arenas.reduce((sum, one) => sum + one, 0);
  const { availableBytes } = hostMemory();
  // What is kept is read back as f64, too.
  if (deviceOf(config, 0) === 'cpu' && 3 * bytes > availableBytes)
    throw tooLarge({ path, bytes: 3 * bytes, availableBytes });
  const engines = ranks.map((rank, i) => {
    const threads = config.threads ?? threadsPerRank(ranks.length);
    return new NativeEngine({ registry: ops, rank, device: deviceOf(config, rank), threads, arenaBytes: arenas[i] });
  });
  const close = async () => {
    for (const engine of engines) await engine.close();
  };
  if (engines.length > 1)
    await meet(
      engines.map(({ addon }) => addon),
      { operationTimeoutSeconds: 1800 },
    );
  return { engines, abort: (reason) => engines.forEach(({ addon }) => addon.abort(reason)), close };
};
